/*
 * What a peer can make the host spend: memory, and list steps for one datagram. The peer is forged, so
 * that it can send what no ENet would. Memory is what the pool has handed out, whatever account it is charged
 * to.
 */
#include "../resident.h"
#include "base/pool.h"
#include "forger.h"
#include "wire/inspect.h"
#include "wire/unsent.h"

enum { W = 4 << 20, P = 1 << 20, SLACK = 1 << 20, MTU = 1400 };

static void limited_open(struct consumer *server) {
  tight_server_start(server, W);
  server->config[ENETJS_CONFIG_CHANNELS] = 255;
  consumer_open(server);
}

static double allocated(void) { return diagnostic(ENETJS_DIAGNOSTIC_ALLOCATED_BYTES); }

static void finish(struct forger *f, struct consumer *server) {
  struct enetjs_host *h = host_of(server);
  forge_disconnect(f);
  enet_socket_destroy(f->socket);
  UNTIL(h->enet->connectedPeers == 0, consumer_poll(server));
  consumer_poll(server);
  CHECK_EQ_INT(enetjs_host_data(h), 0);
  consumer_close(server);
  check_nothing_left();
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Each claims as many fragments as there can be, for a message of one byte or of enough. */
static void check_bomb(uint32_t total) {
  struct consumer server;
  struct forger f;
  double before, most = 0;
  limited_open(&server);
  forger_open(&f);
  forger_connect(&f, &server, 255);
  before = allocated();
  forge_begin(&f);
  for (unsigned i = 0; i < 7000; i++) {
    if (!forge_fits(&f, 32, MTU)) forger_send(&f, &server);
    forge_fragment(&f, ENET_PROTOCOL_COMMAND_SEND_FRAGMENT, (uint8_t)(i % 255), 0, (uint16_t)(2 + i / 255),
                   1 << 20, 0, total, 0);
    if (allocated() - before > most) most = allocated() - before;
  }
  forger_send(&f, &server);
  CHECK(most < W + P + SLACK);
  CHECK((size_t)host_of(&server)->slots[0].account->bytes < (size_t)W + P + SLACK);
  CHECK(statistic(&server, ENETJS_HOST_STAT_OVER_BUDGET) > 0);
  finish(&f, &server);
}

TEST(impossible_fragments_take_nothing) { check_bomb(1); }
TEST(possible_fragments_stay_within_the_budget) { check_bomb(P); }

struct hole {
  unsigned kind;
  bool at_once;    /* both fragments in one datagram */
  uint32_t offset; /* of the second; 0: it is none of the first one's message, but could be one of another */
};

static void forge_hole(struct forger *f, struct consumer *server, const struct hole *hole) {
  uint16_t reliable = hole->kind == ENET_PROTOCOL_COMMAND_SEND_FRAGMENT;
  uint32_t total = hole->offset ? 20000 : 2000;
  forge_begin(f);
  if (hole->offset)
    forge_fragment(f, hole->kind, 0, reliable, 1, 2, 0, total, 0);
  else
    forge_part(f, hole->kind, 0, reliable, 1, total, 1001, 0);
  if (!hole->at_once) forger_send(f, server);
  if (hole->offset)
    forge_fragment(f, hole->kind, 0, 2 * reliable, 1, 2, 1, total, hole->offset);
  else
    forge_part(f, hole->kind, 0, 2 * reliable, 1, total, 1999, 1);
  forger_send(f, server);
}

/* Else the program would get memory that nobody has written to, with what was there before. */
static void check_hole(struct hole hole) {
  struct consumer server;
  struct forger f;
  limited_open(&server);
  forger_open(&f);
  forger_connect(&f, &server, 2);
  forge_hole(&f, &server, &hole);
  consumer_poll(&server);
  CHECK_EQ_INT(server.receives + server.packets, 0);
  finish(&f, &server);
}

TEST(messages_have_all_their_bytes) {
  static const uint32_t offsets[] = {0, 1, 10000, 19999};
  for (unsigned i = 0; i < 16; i++)
    check_hole((struct hole){
        .kind = i % 2 ? ENET_PROTOCOL_COMMAND_SEND_FRAGMENT : ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT,
        .at_once = i / 2 % 2,
        .offset = offsets[i / 4]});
}

/*
 * The missing messages of all channels get in, and all that has waited for them comes out. @returns how many
 * that are
 */
static unsigned fill_the_gaps(struct forger *f, struct consumer *server) {
  for (unsigned channel = 0; channel < 8; channel++) forge_reliable(f, (uint8_t)channel, 1, 0);
  forger_send(f, server);
  for (unsigned i = 0; i < 20; i++) consumer_poll(server);
  CHECK(peer_statistic(server, server->peer, ENETJS_PEER_STAT_TOTAL_WAITING_DATA) < W / 4.0);
  return server->receives;
}

/* @returns how many commands wait in ENet's lists */
static size_t waiting_commands(struct consumer *server) {
  ENetPeer *peer = &host_of(server)->enet->peers[0];
  size_t count = enet_list_size(&peer->dispatchedCommands);
  for (size_t i = 0; i < peer->channelCount; i++)
    count += enet_list_size(&peer->channels[i].incomingReliableCommands) +
             enet_list_size(&peer->channels[i].incomingUnreliableCommands);
  return count;
}

TEST(messages_behind_a_gap_stay_within_the_budget) {
  struct consumer server;
  struct forger f;
  limited_open(&server);
  forger_open(&f);
  forger_connect(&f, &server, 8);
  forge_begin(&f);
  for (unsigned i = 0; i < 8000; i++) {
    if (!forge_fits(&f, 6 + 1000, MTU)) forger_send(&f, &server);
    forge_reliable(&f, (uint8_t)(i % 8), (uint16_t)(2 + i / 8), 1000);
  }
  forger_send(&f, &server);
  CHECK(allocated() < W + P + SLACK);
  CHECK(host_of(&server)->slots[0].account->bytes > W); /* it was tried */
  CHECK(fill_the_gaps(&f, &server) > 3000);
  finish(&f, &server);
}

/* Empty ones are cheap, and ENet walks past each of them, or frees all of them for one DISCONNECT. */
TEST(empty_messages_behind_a_gap_are_limited_in_number) {
  struct consumer server;
  struct forger f;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_CHANNELS] = 8;
  consumer_open(&server);
  forger_open(&f);
  forger_connect(&f, &server, 8);
  forge_begin(&f);
  for (unsigned i = 0; i < 40000; i++) {
    if (!forge_fits(&f, 8, MTU)) forger_send(&f, &server);
    if (i % 2)
      forge_reliable(&f, (uint8_t)(i % 8), (uint16_t)(2 + i / 8), 0);
    else
      forge_unreliable(&f, (uint8_t)(i % 8), 1, (uint16_t)(1 + i / 8));
  }
  forger_send(&f, &server);
  CHECK(waiting_commands(&server) <= ENETJS_WAITING_COMMANDS);
  CHECK(waiting_commands(&server) > ENETJS_WAITING_COMMANDS - ENETJS_COMMANDS_MAXIMUM);
  CHECK(fill_the_gaps(&f, &server) > ENETJS_WAITING_COMMANDS - ENETJS_COMMANDS_MAXIMUM);
  CHECK_EQ_INT(waiting_commands(&server), 0);
  finish(&f, &server);
}

/* Whatever the order, size and kind, and although nobody consumes. */
TEST(random_messages_stay_within_the_budget) {
  struct consumer server;
  struct forger f;
  uint64_t random = 5;
  limited_open(&server);
  forger_open(&f);
  forger_connect(&f, &server, 4);
  forge_begin(&f);
  for (unsigned i = 0; i < 200000 / SLOW; i++) {
    uint16_t sequence = (uint16_t)(1 + test_random_below(&random, 20000));
    uint8_t channel = (uint8_t)test_random_below(&random, 4);
    uint16_t length = (uint16_t)test_random_below(&random, test_random_below(&random, 8) ? 8 : 1200);
    if (!forge_fits(&f, 32 + (size_t)length, MTU)) forger_send(&f, &server);
    switch (test_random_below(&random, 4)) {
      case 0: sequence = (uint16_t)(1 + i / 16); /* fall through */
      case 1: forge_reliable(&f, channel, sequence, length); break;
      case 2:
        forge_part(&f, ENET_PROTOCOL_COMMAND_SEND_FRAGMENT, channel, 0, sequence, 5000,
                   (uint16_t)(1 + length), 0);
        break;
      default:
        forge_part(&f, ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT, channel, 0, sequence, 5000,
                   (uint16_t)(1 + length), 0);
    }
    CHECK((size_t)host_of(&server)->account->bytes < (size_t)W + P + SLACK);
  }
  CHECK(statistic(&server, ENETJS_HOST_STAT_OVER_BUDGET) > 0);
  finish(&f, &server);
}

/* ---- Reconnecting ---------------------------------------------------------------------------- */

TEST(reconnecting_resets_nothing) {
  struct consumer server;
  struct forger f;
  unsigned connections = 0;
  tight_server_start(&server, 1 << 20);
  consumer_open(&server);
  forger_open(&f);
  f.to = port_of(&server);
  for (unsigned round = 0; round < 60; round++) {
    struct enetjs_host *h = host_of(&server);
    f.connect_id++;
    forge_connect_command(&f, 2);
    for (int i = 0; i < 5 && h->enet->connectedPeers == 0; i++) {
      CHECK(enetjs_host_service(server.host, 0) >= 0);
      forge_verified(&f);
    }
    CHECK(enetjs_host_service(server.host, 0) >= 0);
    if (h->enet->connectedPeers == 0) continue;
    connections++;
    forge_begin(&f);
    for (unsigned i = 0; i < 1000; i++) {
      if (!forge_fits(&f, 1300, MTU)) forger_send(&f, &server);
      forge_reliable(&f, 0, (uint16_t)(1 + i), 1200);
    }
    forger_send(&f, &server);
    forge_disconnect(&f);
    UNTIL(h->enet->connectedPeers == 0, CHECK(enetjs_host_service(server.host, 0) >= 0));
  }
  printf("# %u connections, %g bytes\n", connections, allocated());
  CHECK(connections >= 1);
  CHECK(allocated() < 3 << 20);
  for (int i = 0; i < 50; i++) consumer_poll(&server);
  CHECK_EQ_INT(enetjs_host_data(host_of(&server)), 0);
  forger_connect(&f, &server, 2); /* when it has been consumed, the address is as good as any other */
  finish(&f, &server);
}

/* ---- The whole host -------------------------------------------------------------------------- */

TEST(one_peer_cannot_starve_another) {
  struct consumer server;
  struct forger greedy, modest;
  struct enetjs_host *h;
  limited_open(&server);
  h = host_of(&server);
  CHECK_EQ_INT(enetjs_host_set(server.host, ENETJS_CONFIG_MAXIMUM_HOST_DATA, 4 << 20, 0), 0);
  forger_open(&greedy);
  forger_open(&modest);
  forger_connect(&greedy, &server, 8);
  forger_connect(&modest, &server, 8);
  forge_begin(&greedy);
  for (unsigned i = 0; i < 20000; i++) {
    if (!forge_fits(&greedy, 600, MTU)) forger_send(&greedy, &server);
    forge_reliable(&greedy, (uint8_t)(i % 8), (uint16_t)(2 + i / 8), 500);
  }
  forger_send(&greedy, &server);
  CHECK(enetjs_host_data(h) <= 4 << 20);
  CHECK(enetjs_host_data(h) > 1 << 20);
  for (int i = 0; i < 10; i++) consumer_poll(&server);
  forge_begin(&modest);
  for (unsigned i = 0; i < 100; i++) {
    if (!forge_fits(&modest, 600, MTU)) forger_send(&modest, &server);
    forge_reliable(&modest, 0, (uint16_t)(1 + i), 500);
  }
  forger_send(&modest, &server);
  for (int i = 0; i < 10; i++) consumer_poll(&server);
  CHECK_EQ_INT(server.receives, 100);
  CHECK(enetjs_host_data(h) <= 4 << 20);
  forge_disconnect(&greedy);
  enet_socket_destroy(greedy.socket);
  finish(&modest, &server);
}

enum { CLAIMS = 60, CLAIM = 31 << 20, HONEST = 4 << 20, PART = 64 };

/* Four of them nearly fill half of the default for a host, smaller ones the rest of it. */
static uint32_t claim_of(unsigned i) { return i < 4 ? CLAIM : 3 << 20; }

static void forge_claim(struct forger *f, struct consumer *server, uint32_t total, uint32_t number) {
  forge_begin(f);
  forge_part(f, ENET_PROTOCOL_COMMAND_SEND_FRAGMENT, 0, (uint16_t)(1 + number), 1, total, PART, number);
  forger_send(f, server);
}

/* First fragments of large messages, of which hardly any more comes. */
TEST(claims_do_not_keep_an_honest_message_out) {
  static uint8_t bytes[HONEST];
  struct consumer server, client;
  struct forger f[CLAIMS];
  struct enetjs_host *h;
  enet_uint32 start;
  double peer;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_PEERS] = 64;
  server.on_event = release_packet;
  consumer_open(&server);
  h = host_of(&server);
  client_open(&client);
  for (unsigned i = 0; i < CLAIMS; i++) {
    forger_open(&f[i]);
    forger_connect(&f[i], &server, 2);
    forge_claim(&f[i], &server, claim_of(i), 0);
  }
  consumer_poll(&server);
  peer = connect_pair_of(&client, &server);
  for (unsigned i = 0; i < 2; i++)
    CHECK(enetjs_peer_send_buffer(client.host, peer, 0, 1, bytes, sizeof(bytes), 0) >= 0);
  start = enet_time_get();
  for (unsigned round = 1; server.packets < 2; round++) {
    CHECK(ENET_TIME_DIFFERENCE(enet_time_get(), start) < 30000);
    CHECK_EQ_INT(enetjs_peer_state(client.host, peer), ENET_PEER_STATE_CONNECTED);
    enet_time_set(enet_time_get() + 1);
    poll_both(&client, &server);
    if (round % 16 == 0) /* the claims go on, with one fragment here and there */
      forge_claim(&f[round / 16 % CLAIMS], &server, claim_of(round / 16 % CLAIMS), round % 2000);
    CHECK(enetjs_host_data(h) <= enetjs_host_data_limit(h));
  }
  printf("# both came after %u ms\n", ENET_TIME_DIFFERENCE(enet_time_get(), start));
  for (unsigned i = 0; i < CLAIMS; i++) {
    forge_disconnect(&f[i]);
    enet_socket_destroy(f[i].socket);
  }
  consumer_close(&client);
  UNTIL(h->enet->connectedPeers == 0, consumer_poll(&server));
  consumer_poll(&server);
  CHECK_EQ_INT(enetjs_host_data(h), 0);
  consumer_close(&server);
  check_nothing_left();
}

/* What is not counted is not there: every fragment is written to a page of its own. */
TEST(memory_that_claims_really_take_is_counted) {
  struct consumer server;
  struct forger f[CLAIMS];
  struct enetjs_host *h;
#ifdef ENETJS_HAS_RESIDENT
  size_t before, most = 0;
#endif
  consumer_start(&server);
  server.config[ENETJS_CONFIG_PEERS] = 64;
  consumer_open(&server);
  h = host_of(&server);
  CHECK_EQ_INT(enetjs_host_set(server.host, ENETJS_CONFIG_MAXIMUM_HOST_DATA, 64 << 20, 0), 0);
  for (unsigned i = 0; i < CLAIMS; i++) {
    forger_open(&f[i]);
    forger_connect(&f[i], &server, 2);
  }
#ifdef ENETJS_HAS_RESIDENT
  before = resident();
#endif
  for (unsigned i = 0; i < CLAIMS; i++) {
    forge_begin(&f[i]);
    for (uint32_t number = 0; number < CLAIM / PART; number += 4096 / PART * SLOW) {
      if (!forge_fits(&f[i], 24 + PART, MTU)) forger_send(&f[i], &server);
      forge_part(&f[i], ENET_PROTOCOL_COMMAND_SEND_FRAGMENT, 0, (uint16_t)(1 + number), 1, CLAIM, PART,
                 number);
    }
    forger_send(&f[i], &server);
    CHECK(enetjs_host_data(h) <= 64 << 20);
#ifdef ENETJS_HAS_RESIDENT
    if (resident() > most) most = resident();
#endif
  }
#ifdef ENETJS_HAS_RESIDENT
  printf("# %zu MiB resident before, %zu after, %zu counted\n", before >> 20, most >> 20,
         enetjs_host_data(h) >> 20);
  CHECK(most < before + (64 << 20) + SLACK);
#endif
  CHECK(enetjs_host_data(h) > 40 << 20); /* it was tried */
  for (unsigned i = 0; i < CLAIMS; i++) {
    forge_disconnect(&f[i]);
    enet_socket_destroy(f[i].socket);
  }
  UNTIL(h->enet->connectedPeers == 0, consumer_poll(&server));
  consumer_poll(&server);
  CHECK_EQ_INT(enetjs_host_data(h), 0);
  consumer_close(&server);
  check_nothing_left();
}

/* ---- Work ------------------------------------------------------------------------------------ */

/* Runs the inspector as the host would, without handing the datagram on. */
static struct enetjs_inspection inspect_by_hand(struct consumer *server, struct forger *f) {
  static const struct enetjs_allowance plenty = {.ahead = 1 << 30,
                                                 .span = 1 << 30,
                                                 .next = 1 << 30,
                                                 .assembly = 1 << 30,
                                                 .host = 1 << 30,
                                                 .control = 1 << 30,
                                                 .outgoing = 1 << 30,
                                                 .commands = 1 << 30};
  struct enetjs_host *h = host_of(server);
  struct enetjs_datagram datagram;
  CHECK(enetjs_datagram_parse(h->enet, f->bytes, f->length, &datagram));
  return enetjs_inspect(&h->enet->peers[0], &datagram, &plenty);
}

static void fill_window(struct forger *f, struct consumer *server) {
  forge_begin(f);
  for (unsigned i = 2; i < 28600; i++) {
    if (!forge_fits(f, 6, MTU)) forger_send(f, server);
    forge_reliable(f, 0, (uint16_t)i, 0);
  }
  forger_send(f, server);
  CHECK(enet_list_size(&host_of(server)->enet->peers[0].channels[0].incomingReliableCommands) > 7900);
}

TEST(steps_of_a_datagram_are_bounded) {
  struct consumer server;
  struct forger f;
  struct enetjs_inspection inspection;
  server_open(&server);
  forger_open(&f);
  forger_connect(&f, &server, 2);
  fill_window(&f, &server);
  /* As many as fit, each of which is looked for all the way: 1.8 million steps for ENet. */
  while (forge_fits(&f, 6, MTU)) forge_reliable(&f, 0, 2, 0);
  inspection = inspect_by_hand(&server, &f);
  CHECK_EQ_INT(inspection.verdict, ENETJS_CUT_EXCESS);
  CHECK(inspection.steps <= ENETJS_STEPS_MAXIMUM + ENETJS_WAITING_COMMANDS);
  /* One gets through. */
  forge_begin(&f);
  forge_reliable(&f, 0, 1, 0);
  inspection = inspect_by_hand(&server, &f);
  CHECK_EQ_INT(inspection.verdict, ENETJS_PASSED);
  forger_send(&f, &server);
  CHECK(host_of(&server)->enet->peers[0].channels[0].incomingReliableSequenceNumber > 7900);
  for (int i = 0; i < 40; i++) consumer_poll(&server);
  CHECK(server.receives > 7900);
  finish(&f, &server);
}

/* Else one datagram would make a service deliver all of them. */
TEST(what_one_message_sets_free_comes_in_parts) {
  struct consumer server;
  struct forger f;
  const struct enetjs_ring *events;
  unsigned before, parts = 0;
  size_t waited;
  server_open(&server);
  forger_open(&f);
  forger_connect(&f, &server, 2);
  consumer_poll(&server);
  fill_window(&f, &server);
  waited = waiting_commands(&server);
  events = &host_of(&server)->events;
  forge_reliable(&f, 0, 1, 0);
  forge_flush(&f);
  while (server.receives < waited + 1) {
    before = events->head + (unsigned)events->held.count;
    CHECK(enetjs_host_service(server.host, 0) >= 0);
    CHECK(events->head + (unsigned)events->held.count - before <= 4097);
    parts += events->head + (unsigned)events->held.count > before;
    while (event_take(&server)) continue;
  }
  CHECK(parts >= 2);
  finish(&f, &server);
}

/* What ENet passes for an acknowledgement, which is from the front of the list each time. */
static size_t steps_of_acknowledgement(ENetPeer *peer, uint16_t sequence) {
  size_t steps = 0;
  for (ENetListIterator i = enet_list_begin(&peer->sentReliableCommands);
       i != enet_list_end(&peer->sentReliableCommands); i = enet_list_next(i)) {
    const ENetOutgoingCommand *command = (ENetOutgoingCommand *)i;
    steps++;
    if (command->command.header.channelID == 0 && command->reliableSequenceNumber == sequence) break;
  }
  return steps;
}

/* @param count of messages that are acknowledged, in their order @returns what was found of the datagram */
static struct enetjs_inspection check_acknowledgements(struct consumer *server, struct forger *f,
                                                       uint16_t first, uint16_t count) {
  struct enetjs_inspection inspection;
  ENetPeer *peer = &host_of(server)->enet->peers[0];
  size_t before = enet_list_size(&peer->sentReliableCommands), steps = 0;
  forge_begin(f);
  for (uint16_t i = 0; i < count; i++) {
    forge_acknowledge(f, 0, (uint16_t)(first + i), ENET_HOST_TO_NET_16((uint16_t)enet_time_get()));
    steps += steps_of_acknowledgement(peer, first); /* those before it are gone by then */
  }
  inspection = inspect_by_hand(server, f);
  CHECK(inspection.acknowledgement_steps <= ENETJS_ACKNOWLEDGEMENT_STEPS_MAXIMUM + before);
  if (inspection.verdict == ENETJS_PASSED) CHECK(inspection.acknowledgement_steps >= steps);
  return inspection;
}

TEST(acknowledgements_are_counted_from_the_front) {
  struct consumer server;
  struct forger f;
  ENetPeer *peer;
  server_open(&server);
  forger_open(&f);
  forger_connect(&f, &server, 2);
  UNTIL(server.connects == 1, consumer_poll(&server));
  for (unsigned i = 0; i < 2000; i++) CHECK(send_text(&server, server.peer, 1, "x", 0) >= 0);
  peer = &host_of(&server)->enet->peers[0];
  UNTIL(enet_list_size(&peer->sentReliableCommands) >= 2000, (consumer_poll(&server), forger_drain(&f)));
  CHECK_EQ_INT(check_acknowledgements(&server, &f, 1, 150).verdict, ENETJS_PASSED);
  CHECK_EQ_INT(check_acknowledgements(&server, &f, 1500, 32).verdict, ENETJS_PASSED);
  CHECK_EQ_INT(check_acknowledgements(&server, &f, 1500, 150).verdict, ENETJS_CUT_EXCESS); /* 225,000 steps */
  finish(&f, &server);
}

TEST(incomplete_unreliable_messages_are_bounded) {
  struct consumer server;
  struct forger f;
  struct enetjs_host *h;
  server_open(&server);
  h = host_of(&server);
  forger_open(&f);
  forger_connect(&f, &server, 2);
  forge_begin(&f);
  for (unsigned i = 1; i < 20000; i++) {
    if (!forge_fits(&f, 32, MTU)) forger_send(&f, &server);
    forge_fragment(&f, ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT, 0, 0, (uint16_t)i, 2, 0, 2, 0);
    CHECK(enet_list_size(&h->enet->peers[0].channels[0].incomingUnreliableCommands) <
          ENETJS_INCOMPLETE_MAXIMUM + 60);
  }
  finish(&f, &server);
}

TEST(commands_of_a_datagram_are_bounded) {
  struct consumer server;
  struct forger f;
  ENetProtocolPing ping;
  struct enetjs_inspection inspection;
  server_open(&server);
  forger_open(&f);
  forger_connect(&f, &server, 2);
  forge_begin(&f);
  ping.header = forge_header(ENET_PROTOCOL_COMMAND_PING, ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE, 0xFF, 1);
  while (forge_fits(&f, sizeof(ping), ENET_PROTOCOL_MAXIMUM_MTU)) forge_put(&f, &ping, sizeof(ping));
  inspection = inspect_by_hand(&server, &f);
  CHECK_EQ_INT(inspection.verdict, ENETJS_CUT_EXCESS);
  CHECK(inspection.bytes <= ENETJS_COMMANDS_MAXIMUM * enetjs_pool_cost(sizeof(ENetAcknowledgement)));
  finish(&f, &server);
}

/* ---- A receiver that stalls ------------------------------------------------------------------ */

/* Datagrams that one host has sent, less those that the other has received. */
static double difference(struct consumer *from, struct consumer *to) {
  return statistic(from, ENETJS_HOST_STAT_SENT_PACKETS) - statistic(to, ENETJS_HOST_STAT_RECEIVED_PACKETS);
}

static bool has_nothing_to_send(struct consumer *c) {
  ENetPeer *peer = &host_of(c)->enet->peers[0];
  return enet_list_empty(&peer->sentReliableCommands) && enetjs_unsent_none(peer) &&
         enet_list_empty(&peer->acknowledgements);
}

/*
 * Sixty seconds of ENet's clock, in which the server services and nothing is consumed. Time moves when all
 * that has been sent has arrived: on a busy machine the system may deliver it late.
 */
static void check_stall(uint32_t size) {
  static uint8_t bytes[4000];
  struct consumer server, client;
  enet_uint32 start;
  unsigned sent = size < 2000 ? 20000 : 8000;
  double peer;
  double up, down; /* the handshake is not counted on both sides */
  consumer_start(&server);
  server.config[ENETJS_CONFIG_MAXIMUM_WAITING_DATA] = 1 << 20;
  server.config[ENETJS_CONFIG_MAXIMUM_PACKET_SIZE] = 32 << 20;
  server.config[ENETJS_CONFIG_EVENT_CAPACITY] = 16;
  server.config[ENETJS_CONFIG_ARENA_BYTES] = 4096;
  server.on_event = release_packet;
  consumer_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  UNTIL(has_nothing_to_send(&client) && has_nothing_to_send(&server), poll_both(&client, &server));
  up = difference(&client, &server);
  down = difference(&server, &client);
  for (unsigned i = 0; i < sent; i++)
    CHECK(enetjs_peer_send_buffer(client.host, peer, 0, 1, bytes, size, 0) >= 0);
  UNTIL(host_of(&server)->slots[0].stopped, (consumer_poll(&client), enetjs_host_service(server.host, 0)));
  start = enet_time_get();
  while (ENET_TIME_DIFFERENCE(enet_time_get(), start) < 60000) {
    enet_time_set(enet_time_get() + 10);
    consumer_poll(&client);
    CHECK(enetjs_host_service(server.host, 0) >= 0);
    UNTIL(difference(&client, &server) == up && difference(&server, &client) == down,
          (consumer_poll(&client), enetjs_host_service(server.host, 0)));
    CHECK_EQ_INT(enetjs_peer_state(client.host, peer), ENET_PEER_STATE_CONNECTED);
    CHECK((size_t)host_of(&server)->account->bytes < (size_t)(1 << 20) + (32 << 20) + SLACK);
  }
  printf("# %u bytes each: %lld bytes held after 60 s\n", size, (long long)host_of(&server)->account->bytes);
  UNTIL(server.receives + server.packets == sent,
        (enet_time_set(enet_time_get() + 5), poll_both(&client, &server)));
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

/*
 * Messages that were first sent at different round-trip times come again at different times: the later one
 * may be about to time out when the earlier one is not due yet.
 */
TEST(what_a_stalled_receiver_lets_in_need_not_be_in_order) {
  struct consumer server;
  struct forger f;
  const ENetChannel *channel;
  uint16_t next = 0;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_MAXIMUM_WAITING_DATA] = 1 << 16;
  server.config[ENETJS_CONFIG_EVENT_CAPACITY] = 16;
  server.config[ENETJS_CONFIG_ARENA_BYTES] = 4096;
  consumer_open(&server);
  forger_open(&f);
  forger_connect(&f, &server, 2);
  channel = &host_of(&server)->enet->peers[0].channels[0];
  forge_begin(&f);
  UNTIL(host_of(&server)->slots[0].stopped, (forge_reliable(&f, 0, ++next, 1000), forger_send(&f, &server)));
  next = channel->incomingReliableSequenceNumber;
  forge_reliable(&f, 0, (uint16_t)(next + 1), 1000);
  forger_send(&f, &server);
  CHECK_EQ_INT(channel->incomingReliableSequenceNumber, next);
  enet_time_set(enet_time_get() + 3000);
  forge_begin(&f);
  forge_reliable(&f, 0, (uint16_t)(next + 2), 1000);
  forge_flush(&f);
  UNTIL(!enet_list_empty(&channel->incomingReliableCommands),
        CHECK(enetjs_host_service(server.host, 0) >= 0));
  forge_begin(&f);
  forge_reliable(&f, 0, (uint16_t)(next + 1), 1000);
  forge_flush(&f);
  UNTIL(channel->incomingReliableSequenceNumber == (uint16_t)(next + 2),
        CHECK(enetjs_host_service(server.host, 0) >= 0));
  finish(&f, &server);
}

TEST(a_stalled_receiver_does_not_lose_its_sender) {
  check_stall(1000);
  check_stall(4000);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(memory_that_claims_really_take_is_counted), /* first, when the others have left nothing */
      TEST_CASE(impossible_fragments_take_nothing),
      TEST_CASE(possible_fragments_stay_within_the_budget),
      TEST_CASE(messages_have_all_their_bytes),
      TEST_CASE(messages_behind_a_gap_stay_within_the_budget),
      TEST_CASE(empty_messages_behind_a_gap_are_limited_in_number),
      TEST_CASE(random_messages_stay_within_the_budget),
      TEST_CASE(reconnecting_resets_nothing),
      TEST_CASE(one_peer_cannot_starve_another),
      TEST_CASE(steps_of_a_datagram_are_bounded),
      TEST_CASE(what_one_message_sets_free_comes_in_parts),
      TEST_CASE(acknowledgements_are_counted_from_the_front),
      TEST_CASE(incomplete_unreliable_messages_are_bounded),
      TEST_CASE(commands_of_a_datagram_are_bounded),
      TEST_CASE(what_a_stalled_receiver_lets_in_need_not_be_in_order),
      TEST_CASE(a_stalled_receiver_does_not_lose_its_sender),
      TEST_CASE(claims_do_not_keep_an_honest_message_out),
  };
  return test_run(cases, TEST_COUNT(cases));
}
