/**
 * @file subject.h
 * @brief The host under test: what the fuzzer does to it, and what must hold after every datagram.
 */
#ifndef ENETJS_TESTS_FUZZ_SUBJECT_H
#define ENETJS_TESTS_FUZZ_SUBJECT_H

#include "base/pool.h"
#include "meter.h"
#include "script.h"
#include "wire/inspect.h"
#include "world.h"

enum budget {
  BUDGET_MEMORY = 1,     /* what the connections of a host hold, see memory_limit */
  BUDGET_HANDSHAKES = 2, /* an unproved address gets no more than it has sent, and guesses no connection */
  BUDGET_TIME = 4,       /* no service computes for longer than SERVICE_LIMIT_MS, but to send */
  BUDGET_ALL = 7
};

/*
 * Budgets that the test enforces; --strict enforces all. Others are only counted, and a host that is
 * over its memory is closed. Each belongs here once the host keeps to it.
 */
#define ENFORCED (BUDGET_MEMORY | BUDGET_HANDSHAKES)

#define SERVICE_LIMIT_MS 50
/* queued by the program; with more, what a service takes is not the peers' doing */
#define SENDS 16
#define PEER_SLACK (1 << 20)   /* of each connection, beyond what its settings allow */
#define HOST_SLACK (512 << 10) /* a range coder, datagrams, acknowledgements before they are sent */
#define HANDLES 16             /* peers that calls are made for; some of them are stale */

enum setting {
  SETTING_PEERS,
  SETTING_CHANNELS,
  SETTING_MTU, /* in 16 bytes */
  SETTING_SWITCHES,
  SETTING_EVENTS, /* binary logarithm */
  SETTING_ARENA,  /* binary logarithm */
  SETTING_WAITING_KIB,
  SETTING_PACKET_KIB,
  SETTING_DUPLICATES,
  SETTING_SCALE, /* binary logarithm of what the two in KiB are multiplied by */
  SETTING_COUNT
};

enum switches {
  SWITCH_COMPRESS = 1,
  SWITCH_CHECKSUM = 2,
  SWITCH_DATAGRAMS = 4,
  SWITCH_UNBOUND = 8,
  SWITCH_JOINS = 16,
  SWITCH_IPV6 = 32 /* where the machine has it */
};

/* Of a row: its kind, and its channel times ROW_CHANNEL. Unreliable ones all follow one reliable message. */
enum { ROW_RELIABLE, ROW_UNRELIABLE, ROW_CHANNEL = 2, ROW_BYTES = 1380 };

enum call {
  CALL_SEND,
  CALL_BROADCAST,
  CALL_DISCONNECT,
  CALL_RESET,
  CALL_PAUSE,
  CALL_THROTTLE,
  CALL_TIMEOUT,
  CALL_INTERVAL,
  CALL_PING,
  CALL_SET,
  CALL_CONNECT,
  CALL_FLUSH,
  CALL_DENY,
  CALL_FILTER,
  CALL_STATS,
  CALL_DATAGRAM,
  CALL_DECIDE,
  CALL_COUNT
};

/** What events have told of a slot. */
struct seen {
  bool connected;
  uint32_t generation, channels;
};

static struct {
  struct consumer consumer;
  bool open;
  unsigned enforced; /* BUDGET_… */
  bool over_budget;  /* it is to be closed */
  double base;       /* bytes allocated by a host that nobody has talked to */
  double limit;      /* of what is allocated, without what the program has queued */
  size_t maximum_packet, maximum_waiting;
  double handle[HANDLES];
  unsigned handles, take;
  uint32_t endpoint; /* the last word of the IPv6 address that came last */
  struct seen seen[ENETJS_PEER_SLOTS];
  struct script script; /* all steps of this host */
  uint64_t seed;        /* of this host */
  /* Of all hosts. */
  uint64_t datagrams, connects, receives, over_memory, slow;
  double peak;
  uint64_t longest_ns;
} subject = {.enforced = ENFORCED};

static void violated(const char *what, double actual, double limit) {
  printf("# %s: %.0f, and not %.0f\n", what, actual, limit);
  test_end();
}

static struct enetjs_host *subject_host(void) { return host_of(&subject.consumer); }

/* ---- What the program is told ---------------------------------------------------------------- */

static void see(bool holds, const char *what, const struct record *r) {
  if (!holds) violated(what, r->index, r->generation);
}

static void on_connect(struct seen *seen, const struct record *r) {
  bool ipv6 = r->address == (uint32_t)ENETJS_ADDRESS_BEFORE;
  uint32_t index = world_find(ipv6 ? subject.endpoint : r->address, (uint16_t)r->extra);
  see(!seen->connected, "connected twice", r);
  see(index < WORLD_ENDPOINTS && ipv6 == system_is_ipv6(world_address(index)), "connected from nowhere", r);
  see(r->length >= 1 && r->length <= ENET_PROTOCOL_MAXIMUM_CHANNEL_COUNT, "connected without channels", r);
  *seen = (struct seen){true, r->generation, r->length};
  subject.handle[subject.handles++ % HANDLES] = r->peer;
  subject.connects++;
  if (index >= WORLD_READERS) world.guessed++;
}

/* Forwards a part of what is large, and lets go of it. */
static void on_packet(const struct record *r) {
  double packet = packet_of(r);
  if (r->length % 4 == 0)
    enetjs_peer_send_packet(subject.consumer.host, r->peer, r->channel, ENET_PACKET_FLAG_RELIABLE, packet, 0);
  CHECK_EQ_INT(enetjs_packet_release(packet), 0);
}

static void on_event(struct consumer *c, const struct record *r) {
  struct seen *seen;
  (void)c;
  if (r->type == ENETJS_RECORD_ENDPOINT) subject.endpoint = r->address;
  if (r->type == ENETJS_EVENT_DATAGRAM || r->type == ENETJS_RECORD_ENDPOINT) return;
  see(r->index < ENETJS_PEER_SLOTS, "an event of no peer", r);
  seen = &subject.seen[r->index];
  if (r->type == ENETJS_EVENT_CONNECT) {
    on_connect(seen, r);
    return;
  }
  see(seen->connected && seen->generation == r->generation, "an event of a peer that is not connected", r);
  if (r->type == ENETJS_EVENT_DISCONNECT) {
    see(r->extra <= ENETJS_REASON_REFUSED, "disconnected for no reason", r);
    seen->connected = false;
    return;
  }
  subject.receives++;
  see(r->channel < seen->channels, "a message on no channel", r);
  see(r->length <= subject.maximum_packet, "a message above the limit", r);
  if (r->type == ENETJS_EVENT_PACKET) on_packet(r);
}

static void take_records(void) {
  struct consumer *c = &subject.consumer;
  for (unsigned i = 0; i < subject.take && completion_take(c);) i++;
  for (unsigned i = 0; i < subject.take && event_take(c);) i++;
}

/* ---- What must hold -------------------------------------------------------------------------- */

static double allocated(void) {
  struct enetjs_pool_stats stats;
  enetjs_pool_stats(&stats);
  return (double)stats.live_bytes;
}

/* What the program itself has queued, and large packets that it has been told of. */
static double of_program(void) {
  const struct enetjs_host *h = subject_host();
  double bytes = (double)h->queued_messages * 1024 +
                 (double)(atomic_load(&h->listed_bytes) + atomic_load(&h->kept_bytes));
  for (size_t i = 0; i < h->enet->peerCount; i++) bytes += 2 * (double)h->slots[i].queued_bytes;
  return bytes;
}

/* A limit for the whole host belongs here as well, once there is one. */
static double memory_limit(void) {
  double of_peer = (double)subject.maximum_waiting + (double)subject.maximum_packet + PEER_SLACK;
  double of_peers = (double)subject_host()->enet->peerCount * of_peer;
  double of_host = (double)enetjs_host_data_limit(subject_host());
  return subject.base + HOST_SLACK + (of_peers < of_host ? of_peers : of_host);
}

static void check_memory(void) {
  double bytes = allocated();
  if (bytes - subject.base > subject.peak) subject.peak = bytes - subject.base;
  if (bytes <= subject.limit || bytes <= subject.limit + of_program()) return;
  if (subject.enforced & BUDGET_MEMORY)
    violated("bytes that the host holds", bytes, subject.limit + of_program());
  subject.over_memory++;
  subject.over_budget = true;
}

static void check_handshakes(void) {
  if (!(subject.enforced & BUDGET_HANDSHAKES)) return;
  if (world.unproved_excess > 0) violated("datagrams beyond what unproved addresses have sent", 1, 0);
  if (world.guessed > 0) violated("connections of addresses that read no answer", 1, 0);
}

static void check_time(uint64_t ns) {
  if (ns > subject.longest_ns) subject.longest_ns = ns;
  if (ns > 1000000) subject.slow++;
  if ((subject.enforced & BUDGET_TIME) && ns > SERVICE_LIMIT_MS * 1000000ull)
    violated("nanoseconds of a service", (double)ns, SERVICE_LIMIT_MS * 1e6);
}

/* Those that a service has left, because it delivers a limited number, come on top of those that wait. */
static void check_commands(void) {
  const ENetHost *enet = subject_host()->enet;
  for (size_t i = 0; i < enet->peerCount; i++) {
    ENetPeer *peer = &enet->peers[i];
    size_t count = enet_list_size(&peer->dispatchedCommands);
    for (size_t c = 0; c < peer->channelCount; c++)
      count += enet_list_size(&peer->channels[c].incomingReliableCommands) +
               enet_list_size(&peer->channels[c].incomingUnreliableCommands);
    if (count > 2 * ENETJS_WAITING_COMMANDS)
      violated("commands that wait", (double)count, 2 * ENETJS_WAITING_COMMANDS);
  }
}

static void subject_service(void) {
  bool sends = subject_host()->queued_messages > SENDS;
  uint64_t before = meter_ns();
  double result = enetjs_host_service(subject.consumer.host, 0);
  meter_end(!sends);
  if (!sends) check_time(meter_ns() - before);
  if (result < 0) violated("the service failed", result, 0);
  check_memory();
  take_records();
  check_handshakes();
  if (subject.datagrams % 64 != 0) return;
  check_commands();
  canaries_check(&subject.consumer);
}

/* ---- Its life -------------------------------------------------------------------------------- */

/* The simulated clock stands still meanwhile. */
static void await_background(void) {
  uint64_t deadline = system_real_ms() + PATIENCE_MS;
  while (diagnostic(ENETJS_DIAGNOSTIC_ALLOCATIONS) > 0 && system_real_ms() < deadline) test_yield();
  CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_ALLOCATIONS), 0);
}

static void subject_close(void) {
  if (!subject.open) return;
  subject.open = false;
  enet_range_coder_destroy(world.coder);
  world.coder = NULL;
  consumer_close(&subject.consumer);
  await_background();
  check_nothing_left();
}

static void configure(double *c, const uint8_t *setting) {
  uint8_t switches = setting[SETTING_SWITCHES];
  if (switches & SWITCH_IPV6) {
    c[ENETJS_CONFIG_ADDRESS] = 0;
    c[ENETJS_CONFIG_IPV6] = ENETJS_IPV6_AUTO;
  }
  if (switches & SWITCH_UNBOUND) c[ENETJS_CONFIG_ADDRESS] = -1;
  c[ENETJS_CONFIG_PEERS] = setting[SETTING_PEERS];
  c[ENETJS_CONFIG_CHANNELS] = setting[SETTING_CHANNELS];
  c[ENETJS_CONFIG_MTU] = setting[SETTING_MTU] * 16;
  c[ENETJS_CONFIG_COMPRESSION] = (switches & SWITCH_COMPRESS) != 0;
  c[ENETJS_CONFIG_CHECKSUM] = (switches & SWITCH_CHECKSUM) != 0;
  c[ENETJS_CONFIG_DATAGRAMS] = (switches & SWITCH_DATAGRAMS) != 0;
  c[ENETJS_CONFIG_EVENT_CAPACITY] = 1u << setting[SETTING_EVENTS];
  c[ENETJS_CONFIG_COMPLETION_CAPACITY] = 16;
  c[ENETJS_CONFIG_ARENA_BYTES] = 1u << setting[SETTING_ARENA];
  c[ENETJS_CONFIG_SCRATCH_BYTES] = 4096;
  c[ENETJS_CONFIG_DUPLICATE_PEERS] = setting[SETTING_DUPLICATES];
  c[ENETJS_CONFIG_MAXIMUM_WAITING_DATA] = setting[SETTING_WAITING_KIB] * 1024u << setting[SETTING_SCALE];
  c[ENETJS_CONFIG_MAXIMUM_PACKET_SIZE] = setting[SETTING_PACKET_KIB] * 1024u << setting[SETTING_SCALE];
}

static void subject_open(const struct step *step) {
  struct consumer *c = &subject.consumer;
  CHECK(step->length == SETTING_COUNT && step->bytes[SETTING_SCALE] <= 8);
  subject_close();
  simulated.random = step->b;
  simulated.now_us = (uint64_t)step->a * 1000;
  simulated.wall_us = simulated.queued = simulated.taken = 0;
  simulated.joins = (step->bytes[SETTING_SWITCHES] & SWITCH_JOINS) != 0;
  simulated.receive_error = simulated.send_error = 0;
  simulated.deliver = world_deliver;
  consumer_start(c);
  configure(c->config, step->bytes);
  c->config[ENETJS_CONFIG_INCOMING_BANDWIDTH] = step->c;
  c->config[ENETJS_CONFIG_OUTGOING_BANDWIDTH] = step->d;
  c->on_event = on_event;
  consumer_open(c);
  subject.open = true;
  simulated.ipv6 = subject_host()->addresses != NULL;
  subject.over_budget = false;
  subject_host()->enet->randomSeed = step->b; /* ENet's depends on an address */
  world_reset(subject_host()->enet);
  meter_start(subject_host()->enet, subject.seed);
  memset(subject.seen, 0, sizeof(subject.seen));
  memset(subject.handle, 0, sizeof(subject.handle));
  subject.handles = 0;
  subject.take = 1000;
  subject.maximum_waiting = (size_t)c->config[ENETJS_CONFIG_MAXIMUM_WAITING_DATA];
  subject.maximum_packet = (size_t)c->config[ENETJS_CONFIG_MAXIMUM_PACKET_SIZE];
  subject.base = allocated();
  subject.limit = memory_limit();
}

/* ---- The program's calls --------------------------------------------------------------------- */

static bool may_queue(void) { return subject_host()->queued_messages < 500 && of_program() < 1 << 20; }

/* To some of those that calls are made for, to all but these, or to all. */
static void call_broadcast(const struct step *s, double channel, double flag, const uint8_t *bytes,
                           double length) {
  double named = s->b / HANDLES % (HANDLES + 1), mode = s->b / HANDLES / (HANDLES + 1) % 2;
  enetjs_host_broadcast_buffer(subject.consumer.host, channel, flag, bytes, length,
                               (const uint8_t *)subject.handle, named * sizeof(*subject.handle), mode);
}

static void call_send(double peer, const struct step *s) {
  static const uint32_t flags[] = {ENET_PACKET_FLAG_RELIABLE, 0, ENET_PACKET_FLAG_UNSEQUENCED,
                                   ENET_PACKET_FLAG_UNRELIABLE_FRAGMENT};
  static uint8_t bytes[16384];
  double host = subject.consumer.host, channel = s->c % 256 % 9, flag = flags[s->c / 256 % 4],
         length = s->d % 16384;
  for (uint32_t left = s->d % 8 ? 1 : 1 + s->d / 16384 % 64; left > 0 && may_queue(); left--) {
    bool watched = subject_host()->completions.held.count < 64;
    if (s->a == CALL_SEND)
      enetjs_peer_send_buffer(host, peer, channel, flag, bytes, length, watched ? left : 0);
    else
      call_broadcast(s, channel, flag, bytes, length);
  }
}

static void call_set(const struct step *s) {
  double host = subject.consumer.host;
  switch (s->b % 9) {
    case 0: enetjs_host_set(host, ENETJS_CONFIG_INCOMING_BANDWIDTH, s->c, s->d); break;
    case 1: enetjs_host_set(host, ENETJS_CONFIG_CHANNELS, s->c % 10, 0); break;
    case 2: enetjs_host_set(host, ENETJS_CONFIG_COMPRESSION, s->c % 2, 0); break;
    case 3: enetjs_host_set(host, ENETJS_CONFIG_CHECKSUM, s->c % 2, 0); break;
    case 4: enetjs_host_set(host, ENETJS_CONFIG_MTU, 576 + s->c % 3521, 0); break;
    case 5: enetjs_host_set(host, ENETJS_CONFIG_DUPLICATE_PEERS, s->c % 8, 0); break;
    case 6:
      enetjs_host_set(host, ENETJS_CONFIG_MAXIMUM_PACKET_SIZE, s->c % (subject.maximum_packet + 1), 0);
      break;
    case 7:
      enetjs_host_set(host, ENETJS_CONFIG_MAXIMUM_WAITING_DATA, s->c % (subject.maximum_waiting + 1), 0);
      break;
    default: enetjs_host_set(host, ENETJS_CONFIG_DATAGRAMS, s->c % 2, 0);
  }
}

/* @returns what stands for the address in a call */
static double pass_address(uint32_t address) {
  uint32_t words[4];
  if (!system_is_ipv6(address)) return address;
  system_words(address, words);
  for (unsigned i = 0; i < 4; i++) subject.consumer.words[ENETJS_WORD_ENDPOINT + i] = words[i];
  return ENETJS_ENDPOINT;
}

static void call_connect(const struct step *s) {
  uint32_t index = s->b % WORLD_READERS;
  double to = pass_address(world_address(index));
  double peer = enetjs_host_connect(subject.consumer.host, to, world_port(index), 1 + s->c % 8, s->d);
  if (peer < 0) return;
  world.endpoint[index].called = true;
  subject.handle[subject.handles++ % HANDLES] = peer;
}

/*
 * Whether the program is asked about clients, what it says of the last ones, and whether the filter refuses.
 */
static void call_decide(const struct step *s) {
  double host = subject.consumer.host;
  if (s->b % 8 == 0) enetjs_host_set(host, ENETJS_CONFIG_ACCEPT, s->c % 4 > 0, 0);
  if (s->b % 8 == 1) enetjs_host_set(host, ENETJS_CONFIG_FILTER_REFUSES, s->c % 2, 0);
  for (uint32_t i = 0; i < 8; i++)
    enetjs_host_answer(host, (uint32_t)(subject.consumer.question.extra - i),
                       s->c >> i & 1 ? ENETJS_ACCEPT : (double)s->d);
}

static void call_filter(const struct step *s) {
  uint32_t first = world_address(s->b % 12), second = world_address(s->c % 12);
  uint32_t rules[15] = {first,  first + s->c % 3, 0, WORLD_ADDRESS, WORLD_ADDRESS + 65535, 1,
                        second, second,           0};
  uint32_t *ipv6 = rules + 9, words[4];
  system_words(second | 1, words);
  memcpy(ipv6, words, 8);
  memcpy(ipv6 + 3, words + 2, 8);
  ipv6[2] = ENETJS_FILTER_IPV6 | (s->c >> 8 & ENETJS_FILTER_ALLOW);
  ipv6[5] = s->c >> 9 & 1 ? 64 : 128;
  enetjs_host_set_filter(subject.consumer.host, (const uint8_t *)rules, (s->d % 5 < 4 ? s->d % 5 : 5) * 12);
}

static void call_stats(double peer) {
  statistic(&subject.consumer, 0);
  enetjs_next_wait(subject_host());
  enetjs_peer_stats(subject.consumer.host, peer);
  enetjs_peer_state(subject.consumer.host, peer);
}

static void call_datagram(const struct step *s) {
  uint32_t index = s->b % WORLD_READERS;
  world.endpoint[index].called = true;
  enetjs_host_send_datagram(subject.consumer.host, pass_address(world_address(index)), world_port(index),
                            subject.consumer.words[ENETJS_WORD_SCRATCH_OFFSET], s->c % 1500);
}

static void subject_call(const struct step *s) {
  double host = subject.consumer.host, peer = subject.handle[s->b % HANDLES];
  switch ((enum call)s->a) {
    case CALL_SEND:
    case CALL_BROADCAST: call_send(peer, s); break;
    case CALL_DISCONNECT: enetjs_peer_disconnect(host, peer, s->d, s->c % 4); break;
    case CALL_RESET: enetjs_peer_reset(host, peer); break;
    case CALL_PAUSE: enetjs_peer_set(host, peer, ENETJS_PEER_PAUSED, s->c % 2, 0, 0); break;
    case CALL_THROTTLE:
      enetjs_peer_set(host, peer, ENETJS_PEER_THROTTLE, s->c, s->d % 64, s->d / 64 % 64);
      break;
    case CALL_TIMEOUT:
      enetjs_peer_set(host, peer, ENETJS_PEER_TIMEOUT, s->c % 64, s->d % 8000, s->d % 40000);
      break;
    case CALL_INTERVAL: enetjs_peer_set(host, peer, ENETJS_PEER_PING_INTERVAL, s->c % 2000, 0, 0); break;
    case CALL_PING: enetjs_peer_ping(host, peer); break;
    case CALL_SET: call_set(s); break;
    case CALL_CONNECT: call_connect(s); break;
    case CALL_FLUSH: enetjs_host_flush(host); break;
    case CALL_DENY: enetjs_peer_set(host, peer, ENETJS_PEER_DENIED, s->c % 4 == 0, 0, 0); break;
    case CALL_FILTER: call_filter(s); break;
    case CALL_STATS: call_stats(peer); break;
    case CALL_DATAGRAM: call_datagram(s); break;
    case CALL_DECIDE: call_decide(s); break;
    case CALL_COUNT: break;
  }
  take_records();
}

/* ---- What the endpoints do ------------------------------------------------------------------- */

static void send_composed(uint32_t index, const struct endpoint *as, const struct step *s,
                          const uint8_t *body, size_t length) {
  struct system_datagram *d = system_queue();
  struct endpoint *e = &world.endpoint[index];
  if (d) {
    d->address = world_address(index);
    d->port = world_port(index);
    d->length = length;
    if (s->d & COMPOSE_RAW)
      memcpy(d->bytes, body, length);
    else
      d->length = world_compose(d->bytes, as, s->b, s->c, s->d, body, length);
    e->received += d->length;
    subject.datagrams++;
  }
  if (!(s->d & COMPOSE_HOLD) || simulated.queued == SYSTEM_INBOX) subject_service();
}

static void do_from(const struct step *s) {
  uint32_t index = s->a % WORLD_ENDPOINTS, other = s->d >> COMPOSE_AS_SHIFT;
  send_composed(index, &world.endpoint[other ? (other - 1) % WORLD_ENDPOINTS : index], s, s->bytes,
                s->length);
}

static void send_body(uint32_t index, uint32_t age, const void *body, size_t length) {
  struct step s = {.kind = STEP_FROM, .a = index, .c = age};
  send_composed(index, &world.endpoint[index], &s, body, length);
}

static void do_ack(const struct step *s) {
  struct endpoint *e = &world.endpoint[s->a % WORLD_ENDPOINTS];
  ENetProtocolAcknowledge body[WORLD_PENDING];
  unsigned count = e->pending < s->b ? e->pending : s->b;
  for (unsigned i = 0; i < count; i++) {
    const struct pending *p = &e->acknowledge[i];
    body[i].header.command = ENET_PROTOCOL_COMMAND_ACKNOWLEDGE;
    body[i].header.channelID = p->channel;
    body[i].header.reliableSequenceNumber = body[i].receivedReliableSequenceNumber = htons(p->sequence);
    body[i].receivedSentTime = htons(p->sent_time);
    if (p->command == ENET_PROTOCOL_COMMAND_VERIFY_CONNECT && e->standing == GREETED) {
      e->standing = JOINED;
      e->proved = true;
    }
  }
  e->pending -= count;
  memmove(e->acknowledge, e->acknowledge + count, e->pending * sizeof(*e->acknowledge));
  send_body(s->a % WORLD_ENDPOINTS, s->c, body, count * sizeof(*body));
}

static void number_anew(struct endpoint *e) {
  e->control = 1;
  e->group = 0;
  memset(e->reliable, 0, sizeof(e->reliable));
  memset(e->unreliable, 0, sizeof(e->unreliable));
}

static void do_hello(const struct step *s) {
  struct endpoint *e = &world.endpoint[s->a % WORLD_ENDPOINTS];
  ENetProtocolConnect body = {
      .header = {ENET_PROTOCOL_COMMAND_CONNECT | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE, 0xFF, htons(1)}};
  forget(e);
  number_anew(e);
  e->standing = GREETED;
  e->connect_id = s->c;
  body.outgoingPeerID = htons((uint16_t)(s->a % WORLD_ENDPOINTS));
  body.incomingSessionID = body.outgoingSessionID = 0xFF;
  body.mtu = htonl(1400);
  body.windowSize = htonl(ENET_PROTOCOL_MAXIMUM_WINDOW_SIZE);
  body.channelCount = htonl(s->b);
  body.incomingBandwidth = htonl(s->d);
  body.packetThrottleInterval = htonl(ENET_PEER_PACKET_THROTTLE_INTERVAL);
  body.packetThrottleAcceleration = htonl(ENET_PEER_PACKET_THROTTLE_ACCELERATION);
  body.packetThrottleDeceleration = htonl(ENET_PEER_PACKET_THROTTLE_DECELERATION);
  body.connectID = s->c;
  send_body(s->a % WORLD_ENDPOINTS, 0, &body, sizeof(body));
}

static void do_verify(const struct step *s) {
  struct endpoint *e = &world.endpoint[s->a % WORLD_ENDPOINTS];
  ENetProtocolVerifyConnect body = {
      .header = {ENET_PROTOCOL_COMMAND_VERIFY_CONNECT | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE, 0xFF,
                 htons(1)}};
  if (e->standing != CALLED) return;
  number_anew(e);
  body.outgoingPeerID = htons((uint16_t)(s->a % WORLD_ENDPOINTS));
  body.mtu = e->call.mtu;
  body.windowSize = e->call.windowSize;
  body.channelCount = htonl(s->c);
  body.packetThrottleInterval = e->call.packetThrottleInterval;
  body.packetThrottleAcceleration = e->call.packetThrottleAcceleration;
  body.packetThrottleDeceleration = e->call.packetThrottleDeceleration;
  body.connectID = e->call.connectID ^ s->b;
  send_body(s->a % WORLD_ENDPOINTS, 0, &body, sizeof(body));
  e->standing = JOINED;
}

static void do_leave(const struct step *s) {
  struct endpoint *e = &world.endpoint[s->a % WORLD_ENDPOINTS];
  ENetProtocolDisconnect body = {.header = {ENET_PROTOCOL_COMMAND_DISCONNECT, 0xFF, 0}};
  body.header.command |=
      s->b ? ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE : ENET_PROTOCOL_COMMAND_FLAG_UNSEQUENCED;
  if (s->b) body.header.reliableSequenceNumber = htons(++e->control);
  send_body(s->a % WORLD_ENDPOINTS, 0, &body, sizeof(body));
  forget(e);
}

static void put_row_command(ENetProtocol *command, const struct step *s, uint32_t i) {
  memset(command, 0, sizeof(*command));
  command->header.channelID = (uint8_t)(s->d / ROW_CHANNEL);
  if (s->d % ROW_CHANNEL == ROW_RELIABLE) {
    command->header.command = ENET_PROTOCOL_COMMAND_SEND_RELIABLE | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE;
    command->header.reliableSequenceNumber = htons((uint16_t)(s->c + i));
  } else {
    command->header.command = ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE;
    command->header.reliableSequenceNumber = htons((uint16_t)s->c);
    command->sendUnreliable.unreliableSequenceNumber = htons((uint16_t)(1 + i));
  }
}

static void do_row(const struct step *s) {
  uint8_t body[ROW_BYTES];
  size_t size = s->d % ROW_CHANNEL == ROW_RELIABLE ? sizeof(ENetProtocolSendReliable)
                                                   : sizeof(ENetProtocolSendUnreliable);
  size_t length = 0;
  for (uint32_t i = 0; i < s->b && i < UINT16_MAX; i++) {
    ENetProtocol command;
    put_row_command(&command, s, i);
    memcpy(body + length, &command, size);
    length += size;
    if (length + size <= sizeof(body) && i + 1 < s->b) continue;
    send_body(s->a % WORLD_ENDPOINTS, 0, body, length);
    length = 0;
  }
}

/** Does a step, and remembers it. */
static void subject_do(const struct step *step) {
  if (step->kind == STEP_OPEN) subject.script.used = 0;
  script_add(&subject.script, step);
  if (step->kind != STEP_OPEN && !subject.open) return;
  switch (step->kind) {
    case STEP_OPEN: subject_open(step); break;
    case STEP_FROM: do_from(step); break;
    case STEP_ACK: do_ack(step); break;
    case STEP_HELLO: do_hello(step); break;
    case STEP_VERIFY: do_verify(step); break;
    case STEP_LEAVE: do_leave(step); break;
    case STEP_TIME:
      simulated.now_us += (uint64_t)step->a * 1000 + step->b;
      subject_service();
      break;
    case STEP_WALL: simulated.wall_us += ((int64_t)step->a - (int64_t)step->b) * 1000000; break;
    case STEP_CALL: subject_call(step); break;
    case STEP_TAKE: subject.take = step->a; break;
    case STEP_FAULT:
      simulated.receive_error = (int)step->a;
      simulated.send_error = (int)step->b;
      break;
    case STEP_ROW: do_row(step); break;
    case STEP_COUNT: break;
  }
}

#endif
