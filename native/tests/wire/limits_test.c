/*
 * Limits: token buckets, the address that is charged, the commands that are cut off, and how a host enforces
 * them.
 */
#include "../consumer.h"
#include "wire/limits.h"

#define SECOND 1000000u /* microseconds */
#define START ((uint64_t)50 * SECOND)
#define HOME 0x0A000001u
#define PEERS 8
#define MANY (200000u / SLOW)

/* ---- Limits of their own, with a time of their own ------------------------------------------- */

static uint64_t refused[ENETJS_LIMIT_COUNT];

static struct enetjs_limit_rules rules_of(int limit, double per_second, double burst) {
  struct enetjs_limit_rules rules;
  memset(&rules, 0, sizeof(rules));
  rules.rule[limit] = (struct enetjs_limit_rule){per_second, burst};
  return rules;
}

static struct enetjs_limits *limits_of(const struct enetjs_limit_rules *rules) {
  struct enetjs_limits *limits = NULL;
  memset(refused, 0, sizeof(refused));
  CHECK(enetjs_limit_rules_valid(rules));
  CHECK(enetjs_limits_replace(&limits, rules, PEERS, 0x123456789ABCDEFu, refused));
  if (limits) enetjs_limits_set_time(limits, START);
  return limits;
}

static struct enetjs_limits *limits_with(int limit, double per_second, double burst) {
  struct enetjs_limit_rules rules = rules_of(limit, per_second, burst);
  return limits_of(&rules);
}

static bool connects(struct enetjs_limits *limits, uint32_t address) {
  if (!enetjs_limits_admit_connect(limits, address)) return false;
  enetjs_limits_charge_connect(limits, address);
  return true;
}

static unsigned connects_of(struct enetjs_limits *limits, uint32_t address, unsigned attempts) {
  unsigned admitted = 0;
  while (attempts-- > 0) admitted += connects(limits, address);
  return admitted;
}

static unsigned datagrams_of(struct enetjs_limits *limits, uint32_t address, bool established,
                             unsigned attempts) {
  unsigned admitted = 0;
  while (attempts-- > 0) admitted += enetjs_limits_admit_datagram(limits, address, 100, established);
  return admitted;
}

TEST(a_burst_passes_and_the_rate_comes_back) {
  struct enetjs_limits *limits = limits_with(ENETJS_LIMIT_CONNECTS, 10, 5);
  CHECK_EQ_INT(connects_of(limits, HOME, 100), 5);
  CHECK_EQ_INT(refused[ENETJS_LIMIT_CONNECTS], 95);
  enetjs_limits_set_time(limits, START + SECOND / 10);
  CHECK_EQ_INT(connects_of(limits, HOME, 100), 1);
  enetjs_limits_set_time(limits, START + SECOND / 2);
  CHECK_EQ_INT(connects_of(limits, HOME, 100), 4);
  enetjs_limits_set_time(limits, START + 3600u * SECOND);
  CHECK_EQ_INT(connects_of(limits, HOME, 100), 5);
  CHECK_EQ_INT(connects_of(limits, HOME + 1, 100), 5);
  enetjs_limits_destroy(limits);
}

TEST(every_rate_is_kept_over_time) {
  static const struct enetjs_limit_rule rules[] = {
      {0.01, 1}, {0.5, 3}, {1, 1}, {3, 7}, {1000, 100}, {7777, 4096}, {250000, 5000}};
  for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
    struct enetjs_limits *limits = limits_with(ENETJS_LIMIT_DATAGRAMS, rules[i].per_second, rules[i].burst);
    double step = SECOND / rules[i].per_second / 3; /* three attempts for each that may pass */
    unsigned attempts = 30000, admitted = datagrams_of(limits, HOME, true, (unsigned)rules[i].burst + 10);
    CHECK_EQ_INT(admitted, rules[i].burst);
    for (unsigned n = 1; n <= attempts; n++) {
      enetjs_limits_set_time(limits, START + (uint64_t)(n * step));
      admitted += enetjs_limits_admit_datagram(limits, HOME, 100, true);
    }
    CHECK(fabs(admitted - rules[i].burst - attempts / 3) <= 2);
    enetjs_limits_destroy(limits);
  }
}

TEST(bytes_are_counted_and_what_is_refused_uses_nothing_up) {
  struct enetjs_limits *limits = limits_with(ENETJS_LIMIT_BYTES, 1000, 5000);
  CHECK(enetjs_limits_admit_datagram(limits, HOME, 4000, false));
  CHECK(!enetjs_limits_admit_datagram(limits, HOME, 1001, false));
  CHECK(!enetjs_limits_admit_datagram(limits, HOME, 4096, false));
  CHECK_EQ_INT(refused[ENETJS_LIMIT_BYTES], 1001 + 4096);
  CHECK(enetjs_limits_admit_datagram(limits, HOME, 1000, false));
  CHECK(!enetjs_limits_admit_datagram(limits, HOME, 1, false));
  CHECK(enetjs_limits_admit_datagram(limits, HOME, 0, false));
  enetjs_limits_set_time(limits, START + SECOND);
  CHECK(enetjs_limits_admit_datagram(limits, HOME, 1000, false));
  CHECK(!enetjs_limits_admit_datagram(limits, HOME, 1, false));
  enetjs_limits_destroy(limits);
}

TEST(two_limits_both_hold) {
  struct enetjs_limit_rules rules = rules_of(ENETJS_LIMIT_DATAGRAMS, 10, 10);
  struct enetjs_limits *limits;
  rules.rule[ENETJS_LIMIT_BYTES] = (struct enetjs_limit_rule){1000, 4096};
  limits = limits_of(&rules);
  CHECK(enetjs_limits_admit_datagram(limits, HOME, 4000, false));
  CHECK(!enetjs_limits_admit_datagram(limits, HOME, 4000, false)); /* and takes no datagram */
  for (int i = 0; i < 9; i++) CHECK(enetjs_limits_admit_datagram(limits, HOME, 2, false));
  CHECK(!enetjs_limits_admit_datagram(limits, HOME, 2, false));
  CHECK_EQ_INT(refused[ENETJS_LIMIT_BYTES], 4000);
  CHECK_EQ_INT(refused[ENETJS_LIMIT_DATAGRAMS], 1);
  enetjs_limits_destroy(limits);
}

TEST(forged_traffic_takes_nothing_from_established_peers) {
  struct enetjs_limits *limits = limits_with(ENETJS_LIMIT_DATAGRAMS, 100, 50);
  CHECK_EQ_INT(datagrams_of(limits, HOME, false, 100000), 50);
  CHECK_EQ_INT(datagrams_of(limits, HOME, true, 50), 50);
  CHECK_EQ_INT(datagrams_of(limits, HOME, true, 50), 0);
  CHECK_EQ_INT(datagrams_of(limits, HOME + 1, false, 50), 50);
  enetjs_limits_destroy(limits);
}

TEST(a_failed_checksum_costs_the_peer_nothing) {
  struct enetjs_limit_rules rules = rules_of(ENETJS_LIMIT_DATAGRAMS, 100, 50);
  struct enetjs_limits *limits;
  rules.rule[ENETJS_LIMIT_BYTES] = (struct enetjs_limit_rule){5000, 5000};
  limits = limits_of(&rules);
  for (int i = 0; i < 100000; i++) {
    CHECK(enetjs_limits_admit_datagram(limits, HOME, 100, true));
    enetjs_limits_refund_datagram(limits, HOME, 100);
  }
  CHECK_EQ_INT(datagrams_of(limits, HOME, true, 100), 50);
  enetjs_limits_destroy(limits);
}

/* ---- Tables ---------------------------------------------------------------------------------- */

TEST(cycling_through_addresses_forgives_and_refuses_nobody) {
  struct enetjs_limits *limits = limits_with(ENETJS_LIMIT_DATAGRAMS, 0.01, 4);
  uint32_t chatty = HOME, silent = HOME + 1;
  unsigned admitted = 0;
  CHECK_EQ_INT(datagrams_of(limits, chatty, false, 5), 4);
  CHECK_EQ_INT(datagrams_of(limits, silent, false, 5), 4);
  CHECK_EQ_INT(datagrams_of(limits, chatty, true, 5), 4);
  for (uint32_t i = 0; i < MANY; i++) {
    enetjs_limits_set_time(limits, START + i);
    admitted += datagrams_of(limits, 0x40000000u + i * 7, false, 1);
    /* An address that goes on sending keeps its bucket, so it goes on being refused. */
    if (i % 16 == 0) CHECK_EQ_INT(datagrams_of(limits, chatty, false, 1), 0);
  }
  CHECK_EQ_INT(admitted, MANY);
  CHECK_EQ_INT(datagrams_of(limits, silent, false, 5), 4); /* forgotten: a full burst */
  CHECK_EQ_INT(datagrams_of(limits, chatty, true, 1), 0);  /* an account that strangers cannot push out */
  enetjs_limits_destroy(limits);
}

TEST(a_request_alone_charges_nothing) {
  struct enetjs_limits *limits = limits_with(ENETJS_LIMIT_CONNECTS, 0.01, 1);
  for (int i = 0; i < 1000; i++) CHECK(enetjs_limits_admit_connect(limits, HOME));
  CHECK_EQ_INT(connects_of(limits, HOME, 10), 1);
  enetjs_limits_destroy(limits);
}

static uint32_t spread(uint32_t i) { return i * 2654435761u; }

TEST(many_addresses_are_known_at_once) {
  struct enetjs_limits *limits = limits_with(ENETJS_LIMIT_CONNECTS, 0.01, 1);
  unsigned known = 0;
  for (uint32_t i = 1; i <= 4096; i++) CHECK(connects(limits, spread(i)));
  for (uint32_t i = 1; i <= 4096; i++) known += !enetjs_limits_admit_connect(limits, spread(i));
  CHECK(known > 4000); /* but for those whose set was full */
  enetjs_limits_destroy(limits);
}

/* ---- Messages of peers ----------------------------------------------------------------------- */

static ENetPeer peer_with(enet_uint16 index, enet_uint32 connect_id) {
  ENetPeer peer;
  memset(&peer, 0, sizeof(peer));
  peer.incomingPeerID = index;
  peer.connectID = connect_id;
  peer.state = ENET_PEER_STATE_CONNECTED;
  return peer;
}

struct built {
  enet_uint8 bytes[ENET_PROTOCOL_MAXIMUM_MTU];
  struct enetjs_datagram datagram;
};

static void build_begin(struct built *b) {
  memset(b, 0, sizeof(*b));
  b->datagram.bytes = b->bytes;
  b->datagram.header_bytes = b->datagram.length = 4;
}

/* A command; where it has a payload, of that length and for fragments with that number. */
static void build(struct built *b, enet_uint8 command, size_t payload, enet_uint8 fragment) {
  enet_uint8 *at = b->bytes + b->datagram.length;
  size_t size = enet_protocol_command_size(command),
         field = command == ENET_PROTOCOL_COMMAND_SEND_RELIABLE ? 4 : 6;
  at[0] = command | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE;
  if (command >= ENET_PROTOCOL_COMMAND_SEND_RELIABLE && command != ENET_PROTOCOL_COMMAND_BANDWIDTH_LIMIT) {
    at[field] = (enet_uint8)(payload >> 8);
    at[field + 1] = (enet_uint8)payload;
  }
  if (size == sizeof(ENetProtocolSendFragment)) at[15] = fragment;
  b->datagram.length += size + payload;
}

static void build_reliable(struct built *b, unsigned count, size_t payload) {
  while (count-- > 0) build(b, ENET_PROTOCOL_COMMAND_SEND_RELIABLE, payload, 0);
}

TEST(a_datagram_is_cut_before_the_first_message_too_many) {
  struct enetjs_limits *limits = limits_with(ENETJS_LIMIT_MESSAGES, 10, 5);
  ENetPeer peer = peer_with(3, 77);
  struct built b;
  build_begin(&b);
  build(&b, ENET_PROTOCOL_COMMAND_ACKNOWLEDGE, 0, 0);
  build_reliable(&b, 4, 20);
  build(&b, ENET_PROTOCOL_COMMAND_PING, 0, 0);
  CHECK(enetjs_limits_admit_messages(limits, &b.datagram, &peer));
  CHECK_EQ_INT(b.datagram.length, 4 + 8 + 4 * 26 + 4);
  build_begin(&b);
  build(&b, ENET_PROTOCOL_COMMAND_ACKNOWLEDGE, 0, 0);
  build(&b, ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE, 20, 0);
  build(&b, ENET_PROTOCOL_COMMAND_SEND_UNSEQUENCED, 20, 0);
  build_reliable(&b, 3, 20);
  CHECK(enetjs_limits_admit_messages(limits, &b.datagram, &peer));
  CHECK_EQ_INT(b.datagram.length, 4 + 8 + 28);
  CHECK_EQ_INT(refused[ENETJS_LIMIT_MESSAGES], 4);
  build_begin(&b);
  build_reliable(&b, 1, 20);
  CHECK(!enetjs_limits_admit_messages(limits, &b.datagram, &peer)); /* nothing is left of it */
  build_begin(&b);
  build(&b, ENET_PROTOCOL_COMMAND_PING, 0, 0);
  CHECK(enetjs_limits_admit_messages(limits, &b.datagram, &peer)); /* pings are free */
  enetjs_limits_destroy(limits);
}

TEST(a_message_in_fragments_counts_once) {
  struct enetjs_limits *limits = limits_with(ENETJS_LIMIT_MESSAGES, 10, 5);
  ENetPeer peer = peer_with(0, 1);
  struct built b;
  for (enet_uint8 message = 0; message < 5; message++)
    for (enet_uint8 fragment = 0; fragment < 20; fragment++) {
      build_begin(&b);
      build(
          &b,
          message % 2 ? ENET_PROTOCOL_COMMAND_SEND_FRAGMENT : ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT,
          500, fragment);
      CHECK(enetjs_limits_admit_messages(limits, &b.datagram, &peer));
    }
  build_begin(&b);
  build(&b, ENET_PROTOCOL_COMMAND_SEND_FRAGMENT, 500, 0);
  CHECK(!enetjs_limits_admit_messages(limits, &b.datagram, &peer));
  enetjs_limits_destroy(limits);
}

TEST(bytes_of_messages_include_headers) {
  struct enetjs_limits *limits = limits_with(ENETJS_LIMIT_MESSAGE_BYTES, 1000, 4096);
  ENetPeer peer = peer_with(0, 1);
  struct built b;
  unsigned empty = 0;
  build_begin(&b);
  build_reliable(&b, 1, 4000 - 6);
  CHECK(enetjs_limits_admit_messages(limits, &b.datagram, &peer));
  for (;; empty++) {
    build_begin(&b);
    build(&b, ENET_PROTOCOL_COMMAND_SEND_FRAGMENT, 0, 9);
    if (!enetjs_limits_admit_messages(limits, &b.datagram, &peer)) break;
  }
  CHECK_EQ_INT(empty, 4);
  CHECK_EQ_INT(refused[ENETJS_LIMIT_MESSAGE_BYTES], 24);
  enetjs_limits_destroy(limits);
}

TEST(another_connection_in_the_slot_pays_for_itself) {
  struct enetjs_limits *limits = limits_with(ENETJS_LIMIT_MESSAGES, 10, 5);
  ENetPeer first = peer_with(2, 1), second = peer_with(2, 2), other = peer_with(1, 3);
  struct built b;
  for (int i = 0; i < 3; i++) {
    ENetPeer *peer = i == 0 ? &first : i == 1 ? &second : &other;
    build_begin(&b);
    build_reliable(&b, 6, 0);
    CHECK(enetjs_limits_admit_messages(limits, &b.datagram, peer));
    CHECK_EQ_INT(b.datagram.length, 4 + 5 * 6);
  }
  enetjs_limits_destroy(limits);
}

TEST(who_exceeds_is_named_once) {
  struct enetjs_limit_rules rules = rules_of(ENETJS_LIMIT_MESSAGES, 10, 1);
  ENetPeer a = peer_with(2, 20), b = peer_with(7, 70), after = peer_with(2, 21);
  struct enetjs_limits *limits;
  struct built built;
  size_t index;
  uint32_t connect_id;
  rules.disconnects = true;
  limits = limits_of(&rules);
  CHECK(!enetjs_limits_take_excess(limits, &index, &connect_id));
  for (int i = 0; i < 3; i++) {
    build_begin(&built);
    build_reliable(&built, 2, 10);
    CHECK_EQ_INT(enetjs_limits_admit_messages(limits, &built.datagram, &a), i == 0);
    build_begin(&built);
    build_reliable(&built, 2, 10);
    CHECK_EQ_INT(enetjs_limits_admit_messages(limits, &built.datagram, &b), i == 0);
  }
  build_begin(&built);
  build_reliable(&built, 1, 10);
  CHECK(enetjs_limits_admit_messages(limits, &built.datagram, &after)); /* a is gone, and its slot taken */
  CHECK(enetjs_limits_take_excess(limits, &index, &connect_id));
  CHECK(index == 7 && connect_id == 70);
  CHECK(!enetjs_limits_take_excess(limits, &index, &connect_id));
  enetjs_limits_destroy(limits);
}

TEST(a_peer_that_is_leaving_is_not_counted) {
  struct enetjs_limit_rules rules = rules_of(ENETJS_LIMIT_MESSAGES, 10, 1);
  ENetPeer peer = peer_with(0, 1);
  struct enetjs_limits *limits;
  struct built b;
  rules.disconnects = true;
  limits = limits_of(&rules);
  peer.state = ENET_PEER_STATE_DISCONNECTING;
  build_begin(&b);
  build_reliable(&b, 9, 10);
  CHECK(enetjs_limits_admit_messages(limits, &b.datagram, &peer));
  CHECK_EQ_INT(refused[ENETJS_LIMIT_MESSAGES], 0);
  enetjs_limits_destroy(limits);
}

/* In memory of exactly their length, so that the sanitizers see what reads further. */
TEST(senseless_commands_are_read_no_further_than_they_go) {
  struct enetjs_limits *limits = limits_with(ENETJS_LIMIT_MESSAGE_BYTES, 1, 4096);
  uint64_t random = 1;
  for (uint32_t i = 0; i < MANY; i++) {
    ENetPeer peer = peer_with((enet_uint16)(i % PEERS), i / 64);
    size_t length = 2 + test_random_below(&random, i % 100 == 0 ? 1400 : 64);
    enet_uint8 *bytes = malloc(length);
    struct enetjs_datagram datagram = {.bytes = bytes, .length = length, .header_bytes = 2};
    CHECK(bytes != NULL);
    for (size_t at = 0; at < length; at++) {
      bytes[at] = (enet_uint8)test_random_u32(&random);
      if (test_random_below(&random, 3) == 0) bytes[at] &= 0x0F;
    }
    enetjs_limits_admit_messages(limits, &datagram, &peer);
    CHECK(datagram.length <= length && datagram.length >= 2);
    free(bytes);
  }
  enetjs_limits_destroy(limits);
}

/* ---- Rules ----------------------------------------------------------------------------------- */

TEST(other_rules_keep_what_was_used_up_but_no_more_than_their_burst) {
  struct enetjs_limit_rules rules = rules_of(ENETJS_LIMIT_CONNECTS, 1, 100);
  struct enetjs_limits *limits = limits_of(&rules);
  CHECK_EQ_INT(connects_of(limits, HOME, 200), 100);
  rules.rule[ENETJS_LIMIT_CONNECTS] = (struct enetjs_limit_rule){1000, 1000};
  CHECK(enetjs_limits_replace(&limits, &rules, PEERS, 0, refused));
  CHECK_EQ_INT(connects_of(limits, HOME, 1), 0);
  enetjs_limits_set_time(limits, START + SECOND / 100);
  CHECK_EQ_INT(connects_of(limits, HOME, 100), 10);
  rules.rule[ENETJS_LIMIT_CONNECTS].per_second = 0;
  rules.rule[ENETJS_LIMIT_MESSAGES] = (struct enetjs_limit_rule){10, 10};
  CHECK(enetjs_limits_replace(&limits, &rules, PEERS, 0, refused));
  CHECK_EQ_INT(connects_of(limits, HOME, 100), 100);
  rules.rule[ENETJS_LIMIT_MESSAGES].per_second = 0;
  CHECK(enetjs_limits_replace(&limits, &rules, PEERS, 0, refused));
  CHECK(limits == NULL);
  enetjs_limits_destroy(NULL);
}

TEST(rules_are_checked) {
  static const struct {
    double per_second, burst;
    bool valid, valid_for_bytes;
  } cases[] = {{0, 0, true, true},        {0, NAN, true, true},           {1, 1, true, false},
               {1, 4095, true, false},    {1, 4096, true, true},          {0.01, 4096, true, true},
               {0.009, 1, false, false},  {-1, 1, false, false},          {NAN, 1, false, false},
               {INFINITY, 1, false, false}, {1, 0, false, false},         {1, NAN, false, false},
               {1, INFINITY, false, false}, {4294967295.0, 4294967295.0, true, true}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    for (int limit = 0; limit < ENETJS_LIMIT_COUNT; limit++) {
      struct enetjs_limit_rules rules = rules_of(limit, cases[i].per_second, cases[i].burst);
      bool bytes = limit == ENETJS_LIMIT_BYTES || limit == ENETJS_LIMIT_MESSAGE_BYTES;
      CHECK_EQ_INT(enetjs_limit_rules_valid(&rules), bytes ? cases[i].valid_for_bytes : cases[i].valid);
    }
}

TEST(the_largest_burst_and_the_smallest_rate_do_not_overflow) {
  struct enetjs_limits *limits = limits_with(ENETJS_LIMIT_BYTES, 0.01, 4294967295.0);
  enetjs_limits_set_time(limits, (uint64_t)5 * 365 * 86400 * SECOND); /* the system has run for years */
  for (int i = 0; i < 100; i++) CHECK(enetjs_limits_admit_datagram(limits, HOME, 4096, false));
  enetjs_limits_destroy(limits);
}

/* ---- A host with limits ---------------------------------------------------------------------- */

static double set_rules(struct consumer *c, const struct enetjs_limit_rules *rules) {
  return enetjs_host_set_limits(c->host, (const uint8_t *)rules->rule, sizeof(rules->rule),
                                rules->disconnects);
}

static void set_limit(struct consumer *c, int limit, double per_second, double burst, bool disconnects) {
  struct enetjs_limit_rules rules = rules_of(limit, per_second, burst);
  rules.disconnects = disconnects;
  CHECK_EQ_INT(set_rules(c, &rules), 0);
}

TEST(a_host_checks_its_arguments) {
  struct consumer server, client;
  struct enetjs_limit_rules rules = rules_of(ENETJS_LIMIT_CONNECTS, 1, 1);
  double host;
  server_open(&server);
  client_open(&client);
  host = server.host;
  CHECK_EQ_INT(enetjs_host_set_limits(host, NULL, sizeof(rules.rule), 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set_limits(host, (uint8_t *)rules.rule, 8, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set_limits(host, (uint8_t *)rules.rule, sizeof(rules.rule), 2),
               ENETJS_ERR_ARGUMENT);
  CHECK(host_of(&server)->limits == NULL);
  CHECK_EQ_INT(set_rules(&server, &rules), 0);
  CHECK(host_of(&server)->limits != NULL);
  CHECK_EQ_INT(set_rules(&client, &rules), 0);
  CHECK(host_of(&client)->limits == NULL); /* nobody connects to it */
  rules.rule[ENETJS_LIMIT_CONNECTS].burst = 0.5;
  CHECK_EQ_INT(set_rules(&server, &rules), ENETJS_ERR_ARGUMENT);
  consumer_close(&client);
  consumer_close(&server);
  CHECK_EQ_INT(enetjs_host_set_limits(host, (uint8_t *)rules.rule, sizeof(rules.rule), 0), ENETJS_ERR_CLOSED);
}

/* Datagrams from a socket, services the host until it has read them. */
static void flood(struct consumer *c, ENetSocket s, unsigned count) {
  while (count > 0) {
    unsigned round = count < 50 ? count : 50; /* which its buffer holds */
    double read = statistic(c, ENETJS_HOST_STAT_RECEIVED_PACKETS);
    for (unsigned i = 0; i < round; i++) CHECK_EQ_INT(socket_send(s, port_of(c), "flood", 5), 5);
    UNTIL(statistic(c, ENETJS_HOST_STAT_RECEIVED_PACKETS) >= read + round, consumer_poll(c));
    count -= round;
  }
}

TEST(a_flood_is_dropped_and_an_established_peer_of_its_address_unharmed) {
  struct consumer server, client;
  double peer;
  uint16_t port, other_port;
  ENetSocket s = socket_open(&port), other = socket_open(&other_port);
  consumer_start(&server);
  server.config[ENETJS_CONFIG_DATAGRAMS] = 1;
  consumer_open(&server);
  set_limit(&server, ENETJS_LIMIT_DATAGRAMS, 0.01, 60, false);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  flood(&server, s, 500);
  flood(&server, other, 500); /* all ports together */
  CHECK(server.datagrams > 50 && server.datagrams < 60); /* the handshake came before the peer was proved */
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_LIMITED_DATAGRAMS), 1000 - server.datagrams);
  CHECK_EQ_INT(send_text(&client, peer, ENET_PACKET_FLAG_RELIABLE, "hello", 1), 0);
  UNTIL(client.delivered == 1, poll_both(&client, &server));
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_LIMITED_DATAGRAMS), 1000 - server.datagrams);
  enet_socket_destroy(s);
  enet_socket_destroy(other);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(connects_are_limited_and_counted) {
  struct consumer server, client[3];
  server_open(&server);
  set_limit(&server, ENETJS_LIMIT_CONNECTS, 0.01, 2, false);
  for (int i = 0; i < 3; i++) client_open(&client[i]);
  connect_pair_of(&client[0], &server);
  connect_pair_of(&client[1], &server);
  CHECK(enetjs_host_connect(client[2].host, LOOPBACK, port_of(&server), 1, 0) > 0);
  UNTIL(statistic(&server, ENETJS_HOST_STAT_LIMITED_CONNECTS) > 0, poll_both(&client[2], &server));
  CHECK_EQ_INT(server.connects, 2);
  set_limit(&server, ENETJS_LIMIT_CONNECTS, 1000, 1000, false); /* it tries again */
  UNTIL(client[2].connects == 1, poll_both(&client[2], &server));
  for (int i = 0; i < 3; i++) consumer_close(&client[i]);
  consumer_close(&server);
}

static void check_order(struct consumer *c, const struct record *r) {
  uint32_t number;
  if (r->type != ENETJS_EVENT_RECEIVE) return;
  memcpy(&number, r->payload, sizeof(number));
  CHECK_EQ_INT(number, c->receives - 1);
}

static void send_numbers(struct consumer *c, double peer, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    CHECK(enetjs_peer_send_buffer(c->host, peer, 0, ENET_PACKET_FLAG_RELIABLE, (uint8_t *)&i, sizeof(i), 0) >=
          0);
}

TEST(what_is_reliable_arrives_in_the_end_where_excess_is_dropped) {
  struct consumer server, client;
  double peer;
  server_open(&server);
  server.on_event = check_order;
  set_limit(&server, ENETJS_LIMIT_MESSAGES, 200, 50, false);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  send_numbers(&client, peer, 200);
  UNTIL(server.receives == 200, poll_both(&client, &server));
  CHECK(statistic(&server, ENETJS_HOST_STAT_LIMITED_MESSAGES) > 0);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_LIMITED_PEERS), 0);
  CHECK_EQ_INT(server.disconnects + client.disconnects, 0);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(who_exceeds_is_disconnected_with_a_reason_and_told) {
  struct consumer server, client, other;
  double peer, other_peer;
  server_open(&server);
  server.on_event = check_order;
  set_limit(&server, ENETJS_LIMIT_MESSAGES, 0.01, 50, true);
  client_open(&client);
  client_open(&other);
  other_peer = connect_pair_of(&other, &server);
  peer = connect_pair_of(&client, &server);
  send_numbers(&client, peer, 200);
  UNTIL(server.disconnects == 1 && client.disconnects == 1, poll_both(&client, &server));
  CHECK_EQ_INT(server.last.type, ENETJS_EVENT_DISCONNECT);
  CHECK_EQ_INT(server.last.extra, ENETJS_REASON_LIMIT);
  CHECK_EQ_INT(client.last.extra, ENETJS_REASON_REMOTE);
  CHECK_EQ_INT(server.receives, 50); /* what came within the limit comes before the end */
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_LIMITED_PEERS), 1);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_LIMITED_MESSAGES) > 0, 1);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_CONNECTED_PEERS), 1);
  CHECK_EQ_INT(enetjs_peer_state(server.host, server.last.peer), ENETJS_ERR_STALE);
  server.on_event = NULL;
  CHECK_EQ_INT(send_text(&other, other_peer, ENET_PACKET_FLAG_RELIABLE, "still here", 1), 0);
  UNTIL(other.delivered == 1, poll_both(&other, &server));
  peer = connect_pair_of(&client, &server); /* begins with a full burst */
  send_numbers(&client, peer, 50);
  UNTIL(server.receives == 101, poll_both(&client, &server));
  CHECK_EQ_INT(server.disconnects, 1);
  consumer_close(&client);
  consumer_close(&other);
  consumer_close(&server);
}

/* The pump services in the place of a consumer that does not. */
TEST(the_pump_disconnects_too) {
  struct consumer server, client;
  double peer;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_PUMP] = 1;
  consumer_open(&server);
  set_limit(&server, ENETJS_LIMIT_MESSAGES, 0.01, 5, true);
  consumer_start_pump(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  send_numbers(&client, peer, 10);
  UNTIL(client.disconnects == 1, consumer_poll(&client));
  UNTIL(server.disconnects == 1, consumer_poll(&server));
  CHECK_EQ_INT(server.last.extra, ENETJS_REASON_LIMIT);
  CHECK_EQ_INT(server.receives, 5);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(a_burst_passes_and_the_rate_comes_back),
      TEST_CASE(every_rate_is_kept_over_time),
      TEST_CASE(bytes_are_counted_and_what_is_refused_uses_nothing_up),
      TEST_CASE(two_limits_both_hold),
      TEST_CASE(forged_traffic_takes_nothing_from_established_peers),
      TEST_CASE(a_failed_checksum_costs_the_peer_nothing),
      TEST_CASE(cycling_through_addresses_forgives_and_refuses_nobody),
      TEST_CASE(a_request_alone_charges_nothing),
      TEST_CASE(many_addresses_are_known_at_once),
      TEST_CASE(a_datagram_is_cut_before_the_first_message_too_many),
      TEST_CASE(a_message_in_fragments_counts_once),
      TEST_CASE(bytes_of_messages_include_headers),
      TEST_CASE(another_connection_in_the_slot_pays_for_itself),
      TEST_CASE(who_exceeds_is_named_once),
      TEST_CASE(a_peer_that_is_leaving_is_not_counted),
      TEST_CASE(senseless_commands_are_read_no_further_than_they_go),
      TEST_CASE(other_rules_keep_what_was_used_up_but_no_more_than_their_burst),
      TEST_CASE(rules_are_checked),
      TEST_CASE(the_largest_burst_and_the_smallest_rate_do_not_overflow),
      TEST_CASE(a_host_checks_its_arguments),
      TEST_CASE(a_flood_is_dropped_and_an_established_peer_of_its_address_unharmed),
      TEST_CASE(connects_are_limited_and_counted),
      TEST_CASE(what_is_reliable_arrives_in_the_end_where_excess_is_dropped),
      TEST_CASE(who_exceeds_is_disconnected_with_a_reason_and_told),
      TEST_CASE(the_pump_disconnects_too),
  };
  return test_run(cases, TEST_COUNT(cases));
}
