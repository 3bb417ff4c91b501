/*
 * How connections begin: what a stranger can make the host spend, and that stock ENet clients connect as
 * ever.
 */
#include "handshaker.h"

#define ADDRESSES 5000
#define ATTEMPTS 16384 /* what the guard remembers at most */
#define ID_SEEN_MS 10000
#define VERIFY_BYTES (sizeof(ENetProtocolHeader) + sizeof(ENetProtocolVerifyConnect))
#define ROUNDS (1000 / SLOW)

/* ---- What may happen to the datagrams of a client --------------------------------------------- */

enum { TO_SERVER, TO_CLIENT };

/* How often a datagram is passed on: by its direction, and its number in that. */
typedef unsigned (*copies)(int direction, unsigned number);

struct relay {
  ENetSocket socket[2]; /* which the client, and which the server knows */
  uint16_t port[2], client_port, server_port;
  unsigned number[2];
  copies copies;
  uint8_t first[4096]; /* the first datagram to the server */
  size_t first_length;
  uint8_t kept[4096]; /* that is passed on after the next one, where copies() says so */
  size_t kept_length[2];
};

#define AFTER_THE_NEXT 100

static void relay_open(struct relay *r, const struct consumer *server, copies copies) {
  memset(r, 0, sizeof(*r));
  for (int i = 0; i < 2; i++) r->socket[i] = socket_open(&r->port[i]);
  r->server_port = port_of(server);
  r->copies = copies;
}

static void relay_close(struct relay *r) {
  for (int i = 0; i < 2; i++) enet_socket_destroy(r->socket[i]);
}

static void pass_on(struct relay *r, int direction, const uint8_t *bytes, size_t length) {
  socket_send(r->socket[!direction], direction == TO_SERVER ? r->server_port : r->client_port, bytes, length);
}

static void relay_poll(struct relay *r) {
  uint8_t bytes[4096];
  uint16_t port;
  int length;
  for (int direction = 0; direction < 2; direction++)
    while ((length = socket_receive(r->socket[direction], &port, bytes, sizeof(bytes))) > 0) {
      unsigned times = r->copies(direction, r->number[direction]++);
      if (direction == TO_SERVER) r->client_port = port;
      if (direction == TO_SERVER && r->number[0] == 1)
        memcpy(r->first, bytes, r->first_length = (size_t)length);
      if (times == AFTER_THE_NEXT) {
        memcpy(r->kept, bytes, r->kept_length[direction] = (size_t)length);
        continue;
      }
      for (unsigned i = 0; i < times; i++) pass_on(r, direction, bytes, (size_t)length);
      if (r->kept_length[direction]) pass_on(r, direction, r->kept, r->kept_length[direction]);
      r->kept_length[direction] = 0;
    }
}

/*
 * Connects through a relay, and exchanges a message. @param early sent before the connection is complete
 * there
 */
static void connect_through(copies copies, const char *early, unsigned *to_client) {
  struct consumer server;
  struct client client;
  struct relay relay;
  struct wire plain = {0};
  unsigned wanted = 0;
  guarded_open(&server);
  relay_open(&relay, &server, copies);
  client_begin(&client, plain, relay.port[0]);
  UNTIL(client.connects == 1, (poll_with(&client, &server), relay_poll(&relay)));
  if (early) {
    client_send(&client, early);
    wanted = 1;
  }
  UNTIL(server.connects == 1 && server.receives == wanted, (poll_with(&client, &server), relay_poll(&relay)));
  CHECK(send_text(&server, server.peer, 1, "welcome", 0) >= 0);
  UNTIL(client.receives == 1, (poll_with(&client, &server), relay_poll(&relay)));
  CHECK_EQ_INT(server.connects + client.connects, 2);
  CHECK_EQ_INT(server.disconnects + client.disconnects, 0);
  if (to_client) *to_client = relay.number[TO_CLIENT];
  /* A CONNECT that comes late begins nothing. */
  pass_on(&relay, TO_SERVER, relay.first, relay.first_length);
  settle(&server);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 0);
  client_end(&client);
  relay_close(&relay);
  consumer_close(&server);
}

/* ---- Honest clients -------------------------------------------------------------------------- */

static struct wire wire_of(unsigned kind) {
  struct wire wire = {0};
  wire.compressed = kind & 1;
  wire.checksum = (kind & 2) != 0;
  if (wire.compressed) wire.coder = enet_range_coder_create();
  return wire;
}

static void wired_open(struct consumer *server, struct wire wire) {
  consumer_start(server);
  server->config[ENETJS_CONFIG_DATAGRAMS] = 1;
  server->config[ENETJS_CONFIG_COMPRESSION] = wire.compressed;
  server->config[ENETJS_CONFIG_CHECKSUM] = wire.checksum;
  consumer_open(server);
}

static void wire_end(struct wire wire) {
  if (wire.coder) enet_range_coder_destroy(wire.coder);
}

TEST(stock_clients_connect) {
  for (unsigned kind = 0; kind < 4; kind++) {
    struct consumer server;
    struct client client;
    struct wire wire = wire_of(kind);
    wired_open(&server, wire);
    CHECK_EQ_INT(enetjs_host_set(server.host, ENETJS_CONFIG_DATAGRAMS, 0, 0), 0);
    for (unsigned i = 1; i <= 3; i++) {
      client_begin(&client, wire, port_of(&server));
      UNTIL(client.connects == 1 && server.connects == i, poll_with(&client, &server));
      CHECK_EQ_INT(server.last.data, 7);
      CHECK_EQ_INT(client.peer->channelCount, 3);
      CHECK_EQ_INT(peer_statistic(&server, server.peer, ENETJS_PEER_STAT_CHANNEL_COUNT), 3);
      CHECK(peer_statistic(&server, server.peer, ENETJS_PEER_STAT_ROUND_TRIP_TIME) < 500);
      client_exchange(&client, &server);
      enet_peer_disconnect(client.peer, 9);
      UNTIL(client.disconnects == 1 && server.disconnects == i, poll_with(&client, &server));
      CHECK_EQ_INT(server.last.data, 9);
      client_end(&client);
    }
    CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_BAD_HANDSHAKE), 0);
    CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 0);
    consumer_close(&server);
    wire_end(wire);
  }
}

static unsigned each_once(int direction, unsigned number) {
  (void)direction, (void)number;
  return 1;
}

static unsigned each_twice(int direction, unsigned number) {
  (void)direction, (void)number;
  return 2;
}

static unsigned lose_the_answer(int direction, unsigned number) {
  return direction == TO_SERVER || number > 0;
}

/* The client's first, its CONNECT, arrives; its second holds the acknowledgement. */
static unsigned lose_the_acknowledgement(int direction, unsigned number) {
  return direction == TO_CLIENT || number != 1;
}

static unsigned swap_after_the_first(int direction, unsigned number) {
  return direction == TO_SERVER && number == 1 ? AFTER_THE_NEXT : 1;
}

TEST(a_late_connect_begins_nothing) { connect_through(each_once, NULL, NULL); }

TEST(duplicates_do_no_harm) { connect_through(each_twice, "early", NULL); }

TEST(a_lost_answer_is_repeated) { connect_through(lose_the_answer, NULL, NULL); }

TEST(a_lost_acknowledgement_is_asked_for_again) {
  if (!has_guard()) return;
  connect_through(lose_the_acknowledgement, NULL, NULL);    /* by pings */
  connect_through(lose_the_acknowledgement, "early", NULL); /* by a message */
}

TEST(an_overtaken_acknowledgement_does_no_harm) { connect_through(swap_after_the_first, "early", NULL); }

TEST(an_address_and_port_connects_again_and_again) {
  struct consumer server;
  struct client client;
  struct wire plain = {0};
  ENetAddress to = {ENET_HOST_TO_NET_32(LOOPBACK), 0};
  guarded_open(&server);
  to.port = port_of(&server);
  client_begin(&client, plain, to.port);
  for (unsigned i = 1; i <= 40; i++) {
    UNTIL(client.connects == i && server.connects == i, poll_with(&client, &server));
    client_exchange(&client, &server);
    if (i % 2) {
      enet_peer_disconnect_now(client.peer, 0);
    } else {
      enet_peer_reset(client.peer); /* the host is not told, and keeps the old one beside the new */
      CHECK_EQ_INT(enetjs_peer_reset(server.host, server.peer), 0);
    }
    client.peer = enet_host_connect(client.host, &to, 3, 7);
    CHECK(client.peer != NULL);
  }
  client_end(&client);
  consumer_close(&server);
}

static int compare_ids(const void *a, const void *b) { return *(const uint16_t *)a - *(const uint16_t *)b; }

static void check_distinct(uint16_t *ids, size_t count) {
  qsort(ids, count, sizeof(*ids), compare_ids);
  for (size_t i = 1; i < count; i++) CHECK(ids[i] != ids[i - 1]);
}

TEST(connections_of_one_address_have_ids_of_their_own) {
  struct consumer server;
  struct client client;
  struct wire plain = {0};
  uint16_t ids[64];
  ENetAddress to = {ENET_HOST_TO_NET_32(LOOPBACK), 0};
  consumer_start(&server);
  server.config[ENETJS_CONFIG_PEERS] = 64;
  consumer_open(&server);
  to.port = port_of(&server);
  client_begin(&client, plain, to.port);
  for (unsigned i = 1; i < 64; i++) CHECK(enet_host_connect(client.host, &to, 1, i) != NULL);
  UNTIL(client.connects == 64 && server.connects == 64, poll_with(&client, &server));
  for (unsigned i = 0; i < 64; i++) ids[i] = client.host->peers[i].outgoingPeerID;
  check_distinct(ids, 64);
  client_end(&client);
  consumer_close(&server);
}

/* ---- What a stranger can spend --------------------------------------------------------------- */

TEST(an_unproved_address_gets_no_more_than_it_sends) {
  if (!has_guard()) return;
  for (unsigned kind = 0; kind < 4; kind++) {
    struct consumer server;
    struct wire wire = wire_of(kind);
    unsigned unanswered = 0;
    wired_open(&server, wire);
    for (unsigned i = 0; i < 200; i++) {
      struct forger f;
      forger_open(&f, &server);
      f.wire = wire;
      for (unsigned times = 1; times <= 3; times++) {
        forger_connect(&f);
        settle(&server);
        while (forger_receive(&f) > 0) continue;
        CHECK(f.received <= f.sent);
        if (!wire.compressed) CHECK_EQ_INT(f.answers, times);
        if (!wire.compressed) CHECK_EQ_INT(f.received, times * (VERIFY_BYTES + (wire.checksum ? 4 : 0)));
        if (times == 1) unanswered += f.answers == 0;
      }
      CHECK(f.answers >= 2);
      forger_close(&f);
    }
    CHECK(unanswered < 10); /* compressed, an answer may not fit in what may be sent at first */
    CHECK_EQ_INT(server.connects, 0);
    consumer_close(&server);
    wire_end(wire);
  }
}

static void check_connectable(struct consumer *server) {
  struct client client;
  struct wire plain = {0};
  unsigned before = server->connects;
  client_begin(&client, plain, port_of(server));
  UNTIL(client.connects == 1 && server->connects == before + 1, poll_with(&client, server));
  client_exchange(&client, server);
  client_end(&client);
}

TEST(forged_connects_leave_the_host_connectable) {
  struct consumer server;
  struct forger f;
  guarded_open(&server);
  forger_open(&f, &server);
  for (unsigned i = 0; i < 64; i++) {
    f.connect.connectID = next_connect_id();
    forger_connect(&f);
  }
  forger_close(&f);
  settle(&server);
  if (has_guard()) CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 64);
  check_connectable(&server);
  for (unsigned i = 0; i < ADDRESSES; i++) {
    forger_open_at(&f, &server, 0x7F010000u + i);
    forger_connect(&f);
    forger_close(&f);
    if (i % 64 == 0) consumer_poll(&server);
  }
  settle(&server);
  check_connectable(&server);
  CHECK_EQ_INT(server.connects, 2);
  consumer_close(&server);
}

TEST(blind_guesses_do_not_complete) {
  struct consumer server;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_PEERS] = 64;
  server.config[ENETJS_CONFIG_DATAGRAMS] = 1;
  consumer_open(&server);
  for (uint16_t i = 0; i < 32; i++) {
    struct forger f;
    forger_open(&f, &server);
    forger_connect(&f);
    settle(&server);
    /* ENet's own numbers; whichever half of its time is the past, one of these lies in it. */
    for (uint8_t session = 0; session < 4; session++)
      for (uint32_t time = 0; time < 0x10000; time += 0x8000) acknowledge(&f, i, session, 1, (uint16_t)time);
    settle(&server);
    forger_close(&f);
  }
  CHECK_EQ_INT(server.connects, 0);
  consumer_close(&server);
}

/* Else one datagram would be hundreds of guesses. */
TEST(only_the_first_command_is_a_guess) {
  struct consumer server;
  struct forger f;
  ENetProtocolAcknowledge commands[2];
  if (!has_guard()) return;
  guarded_open(&server);
  forger_open_answered(&f, &server);
  for (unsigned i = 0; i < 2; i++) {
    uint16_t sequence = ENET_HOST_TO_NET_16((uint16_t)(f.sequence + 1 - i));
    commands[i].header.command = ENET_PROTOCOL_COMMAND_ACKNOWLEDGE;
    commands[i].header.channelID = 0xFF;
    commands[i].header.reliableSequenceNumber = commands[i].receivedReliableSequenceNumber = sequence;
    commands[i].receivedSentTime = ENET_HOST_TO_NET_16(f.time);
  }
  forger_send(&f, (uint16_t)(f.id | f.outgoing << ENET_PROTOCOL_HEADER_SESSION_SHIFT), commands,
              sizeof(commands));
  settle(&server);
  CHECK_EQ_INT(server.connects, 0);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_BAD_HANDSHAKE), 1);
  close_both(&f, &server);
}

TEST(each_assigned_number_must_be_right) {
  struct consumer server;
  struct forger f;
  if (!has_guard()) return;
  guarded_open(&server);
  forger_open_answered(&f, &server);
  acknowledge(&f, (f.id + 1) % 4095, f.outgoing, f.sequence, f.time);
  acknowledge(&f, f.id, f.outgoing ^ 1, f.sequence, f.time);
  acknowledge(&f, f.id, f.outgoing, (uint16_t)(f.sequence + 1), f.time);
  settle(&server);
  CHECK_EQ_INT(server.connects, 0);
  CHECK_EQ_INT(forger_receive(&f), 0);
  /* one named another attempt, or none */
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_BAD_HANDSHAKE), 2);
  forger_acknowledge(&f); /* wrong guesses lock nobody out */
  UNTIL(server.connects == 1, consumer_poll(&server));
  close_both(&f, &server);
}

TEST(a_wrong_time_is_replaced_by_ours) {
  struct consumer server;
  struct forger f;
  if (!has_guard()) return;
  guarded_open(&server);
  for (unsigned i = 1; i <= 2; i++) {
    forger_open_answered(&f, &server);
    acknowledge(&f, f.id, f.outgoing, f.sequence, (uint16_t)(f.time + (i == 1 ? 30000 : -30000)));
    UNTIL(server.connects == i, consumer_poll(&server));
    CHECK(peer_statistic(&server, server.peer, ENETJS_PEER_STAT_ROUND_TRIP_TIME) < LIFETIME_MS);
    forger_close(&f);
  }
  consumer_close(&server);
}

TEST(an_assigned_id_and_session_are_answered_three_times) {
  struct consumer server;
  struct forger f;
  unsigned answers;
  if (!has_guard()) return;
  guarded_open(&server);
  forger_open_answered(&f, &server);
  for (unsigned i = 0; i < 6; i++) {
    forger_ping(&f, f.outgoing ^ 1);
    forger_ping(&f, f.outgoing);
    settle(&server);
    answers = f.answers;
    while (forger_receive(&f) > 0) continue;
    CHECK_EQ_INT(f.answers - answers, i < 3);
  }
  forger_acknowledge(&f);
  UNTIL(server.connects == 1, consumer_poll(&server));
  close_both(&f, &server);
}

TEST(attempts_end_in_time) {
  struct consumer server;
  struct forger plain, assigned;
  if (!has_guard()) return;
  guarded_open(&server);
  forger_open(&plain, &server);
  forger_open(&assigned, &server);
  forger_connect(&plain);
  forger_connect(&assigned);
  settle(&server);
  CHECK(forger_receive(&assigned) > 0);
  forger_ping(&assigned, assigned.outgoing);
  settle(&server);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 2);
  skip(LIFETIME_MS);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 1);
  skip(ID_SEEN_MS - LIFETIME_MS - 1000);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 1);
  skip(1000);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 0);
  forger_acknowledge(&assigned);
  settle(&server);
  CHECK_EQ_INT(server.connects, 0);
  forger_close(&plain);
  forger_close(&assigned);
  consumer_close(&server);
}

TEST(the_table_is_bounded_and_the_oldest_goes_first) {
  static uint16_t ids[3000];
  struct consumer server;
  struct forger f, oldest, kept, last;
  enet_uint32 now;
  if (!has_guard()) return;
  guarded_open(&server);
  forger_open(&oldest, &server);
  forger_open(&kept, &server);
  forger_connect(&oldest);
  forger_connect(&kept);
  settle(&server);
  CHECK(forger_receive(&oldest) > 0 && forger_receive(&kept) > 0);
  forger_ping(&kept, kept.outgoing); /* which is worth more than what follows */
  settle(&server);
  now = enet_time_get(); /* it stands still, or some would end meanwhile */
  forger_open(&f, &server);
  for (unsigned i = 0; i < ATTEMPTS; i++) {
    if (i % 3000 == 0) { /* one port has 4,095 ids at most */
      forger_close(&f);
      forger_open(&f, &server);
    }
    f.connect.connectID = next_connect_id();
    forger_connect(&f);
    UNTIL(forger_receive(&f) > 0, (enet_time_set(now), consumer_poll(&server)));
    ids[i % 3000] = f.id;
    if (i % 3000 == 2999) check_distinct(ids, 3000);
  }
  enet_time_set(now);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), ATTEMPTS);
  forger_acknowledge(&oldest);
  settle(&server);
  CHECK_EQ_INT(server.connects, 0);
  forger_open_answered(&last, &server);
  forger_acknowledge(&last);
  UNTIL(server.connects == 1, consumer_poll(&server));
  forger_acknowledge(&kept);
  UNTIL(server.connects == 2, consumer_poll(&server));
  forger_close(&f);
  forger_close(&oldest);
  forger_close(&kept);
  forger_close(&last);
  consumer_close(&server);
}

/* ---- Refusals -------------------------------------------------------------------------------- */

TEST(a_full_host_says_so) {
  for (unsigned kind = 0; kind < 4; kind++) {
    struct consumer server;
    struct client first, second;
    struct forger f;
    struct wire wire = wire_of(kind);
    if (!has_guard()) return;
    consumer_start(&server);
    server.config[ENETJS_CONFIG_PEERS] = 1;
    server.config[ENETJS_CONFIG_DATAGRAMS] = 1;
    server.config[ENETJS_CONFIG_COMPRESSION] = wire.compressed;
    server.config[ENETJS_CONFIG_CHECKSUM] = wire.checksum;
    consumer_open(&server);
    client_begin(&first, wire, port_of(&server));
    UNTIL(first.connects == 1 && server.connects == 1, poll_with(&first, &server));
    client_begin(&second, wire, port_of(&server));
    UNTIL(second.disconnects == 1, (poll_with(&second, &server), client_poll(&first)));
    CHECK_EQ_INT(second.data, ENETJS_CODE_FULL);
    forger_open(&f, &server);
    f.wire = wire;
    forger_connect(&f);
    settle(&server);
    CHECK_EQ_INT(forger_receive(&f), wire.checksum ? 14 : 10);
    CHECK_EQ_INT(f.refusal, ENETJS_CODE_FULL);
    CHECK_EQ_INT(forger_receive(&f), 0);
    forger_connect(&f); /* the same attempt */
    settle(&server);
    CHECK_EQ_INT(forger_receive(&f), wire.checksum ? 14 : 10);
    CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_REFUSED_FULL), 2);
    client_exchange(&first, &server);
    client_end(&first);
    client_end(&second);
    forger_close(&f);
    consumer_close(&server);
    wire_end(wire);
  }
}

/* What an address still holds keeps new connections of it out, but harms none that there is. */
TEST(a_late_copy_of_a_connect_ends_nothing_when_memory_is_short) {
  struct consumer server;
  struct forger connected, begun, late;
  struct enetjs_host *h;
  if (!has_guard()) return;
  guarded_open(&server);
  h = host_of(&server);
  forger_open(&connected, &server);
  forger_connect(&connected);
  settle(&server);
  CHECK(forger_receive(&connected) > 0);
  forger_acknowledge(&connected);
  UNTIL(server.connects == 1, consumer_poll(&server));
  forger_open(&begun, &server);
  forger_connect(&begun);
  settle(&server);
  CHECK(forger_receive(&begun) > 0);
  while (forger_receive(&connected) > 0) continue;
  connected.refusal = begun.refusal = 0;
  for (size_t i = 0; i < ENETJS_DEBT_BUCKETS; i++) h->debts[i] += INT32_MAX;
  forger_connect(&connected);
  forger_connect(&begun);
  forger_open(&late, &server);
  forger_connect(&late);
  settle(&server);
  while (forger_receive(&connected) > 0) continue;
  while (forger_receive(&begun) > 0) continue;
  CHECK_EQ_INT(connected.refusal, 0);
  CHECK_EQ_INT(begun.refusal, 0);
  CHECK_EQ_INT(forger_receive(&late), 10);
  CHECK_EQ_INT(late.refusal, ENETJS_CODE_FULL);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_REFUSED_FULL), 1);
  forger_acknowledge(&begun);
  UNTIL(server.connects == 2, consumer_poll(&server));
  for (size_t i = 0; i < ENETJS_DEBT_BUCKETS; i++) h->debts[i] -= INT32_MAX;
  forger_close(&connected);
  forger_close(&begun);
  forger_close(&late);
  consumer_close(&server);
}

/* Two attempts are open, and there is one place: by the number of peers, or of peers of one address. */
static void take_the_last_place(unsigned option) {
  struct consumer server;
  struct forger f[2];
  consumer_start(&server);
  server.config[option] = 1;
  server.config[ENETJS_CONFIG_DATAGRAMS] = 1;
  consumer_open(&server);
  for (int i = 0; i < 2; i++) {
    forger_open(&f[i], &server);
    forger_connect(&f[i]);
  }
  settle(&server);
  for (int i = 0; i < 2; i++) {
    CHECK(forger_receive(&f[i]) > 0);
    forger_acknowledge(&f[i]);
    settle(&server);
  }
  CHECK_EQ_INT(server.connects, 1);
  CHECK_EQ_INT(forger_receive(&f[0]), 0);
  CHECK_EQ_INT(forger_receive(&f[1]), 10);
  CHECK_EQ_INT(f[1].refusal, option == ENETJS_CONFIG_PEERS ? ENETJS_CODE_FULL : ENETJS_CODE_DUPLICATE);
  /* It believes that it is connected, so where that was lost, it goes on. */
  f[1].refusal = 0;
  forger_ping(&f[1], f[1].outgoing);
  settle(&server);
  CHECK_EQ_INT(forger_receive(&f[1]), 10);
  CHECK_EQ_INT(f[1].refusal, option == ENETJS_CONFIG_PEERS ? ENETJS_CODE_FULL : ENETJS_CODE_DUPLICATE);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_REFUSED_FULL), option == ENETJS_CONFIG_PEERS);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_REFUSED_DUPLICATE),
               option == ENETJS_CONFIG_DUPLICATE_PEERS);
  for (int i = 0; i < 2; i++) forger_close(&f[i]);
  consumer_close(&server);
}

TEST(a_place_that_is_gone_is_refused_in_the_end) {
  if (!has_guard()) return;
  take_the_last_place(ENETJS_CONFIG_PEERS);
  take_the_last_place(ENETJS_CONFIG_DUPLICATE_PEERS);
}

TEST(what_enet_would_ignore_is_ignored) {
  struct consumer server;
  struct forger f;
  if (!has_guard()) return;
  guarded_open(&server);
  forger_open(&f, &server);
  f.connect.channelCount = 0;
  forger_connect(&f);
  f.connect.channelCount = ENET_HOST_TO_NET_32(256);
  forger_connect(&f);
  f.connect.channelCount = ENET_HOST_TO_NET_32(1);
  f.connect.outgoingPeerID = ENET_HOST_TO_NET_16(ENET_PROTOCOL_MAXIMUM_PEER_ID);
  forger_connect(&f);
  settle(&server);
  CHECK_EQ_INT(forger_receive(&f), 0);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 0);
  close_both(&f, &server);
}

/* ---- The program decides --------------------------------------------------------------------- */

#define UNPROVED_QUESTIONS 200
#define QUESTIONS 1024
#define ADDRESS_QUESTIONS 128

static void asking_open(struct consumer *server, struct wire wire) {
  wired_open(server, wire);
  CHECK_EQ_INT(enetjs_host_set(server->host, ENETJS_CONFIG_ACCEPT, 1, 0), 0);
}

static double answer_with(struct consumer *server, double verdict) {
  return enetjs_host_answer(server->host, server->question.extra, verdict);
}

TEST(the_program_is_asked_before_a_stock_client_is_answered) {
  for (unsigned kind = 0; kind < 4; kind++) {
    struct consumer server;
    struct client client;
    struct wire wire = wire_of(kind);
    if (!has_guard()) return;
    asking_open(&server, wire);
    client_begin(&client, wire, port_of(&server));
    UNTIL(server.questions == 1, poll_with(&client, &server));
    CHECK_EQ_INT(server.question.data, 7);
    CHECK_EQ_INT(server.question.channel, 3);
    CHECK_EQ_INT(server.question.address, LOOPBACK);
    CHECK(server.question.length > 0);
    CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_SENT_PACKETS), 0);
    CHECK_EQ_INT(answer_with(&server, 0xFFFFFFFEu), 0);
    UNTIL(client.disconnects == 1, poll_with(&client, &server));
    CHECK_EQ_INT(client.connects, 0);
    CHECK_EQ_INT(client.data, 0xFFFFFFFEu);
    client_end(&client);

    client_begin(&client, wire, port_of(&server));
    UNTIL(server.questions == 2, poll_with(&client, &server));
    CHECK_EQ_INT(answer_with(&server, ENETJS_ACCEPT), 0);
    UNTIL(client.connects == 1 && server.connects == 1, poll_with(&client, &server));
    client_exchange(&client, &server);
    CHECK_EQ_INT(server.questions, 2);
    CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_REFUSED_ACCEPT), 1);
    CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 0);
    client_end(&client);
    consumer_close(&server);
    wire_end(wire);
  }
}

TEST(a_repeated_connect_asks_nothing_again) {
  for (unsigned kind = 0; kind < 4; kind++) {
    struct consumer server;
    struct forger f;
    struct wire wire = wire_of(kind);
    if (!has_guard()) return;
    asking_open(&server, wire);
    forger_open(&f, &server);
    f.wire = wire;
    for (unsigned i = 0; i < 3; i++) {
      forger_connect(&f);
      settle(&server);
    }
    CHECK_EQ_INT(server.questions, 1);
    CHECK_EQ_INT(forger_receive(&f), 0);
    CHECK_EQ_INT(answer_with(&server, 5), 0);
    for (unsigned i = 0; i < 3; i++) {
      f.refusal = 0;
      CHECK_EQ_INT(forger_receive(&f), wire.checksum ? 14 : 10);
      CHECK_EQ_INT(f.refusal, 5);
      forger_connect(&f);
      settle(&server);
    }
    CHECK_EQ_INT(server.questions, 1);
    CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_REFUSED_ACCEPT), 1);
    CHECK(f.received <= f.sent);
    skip(LIFETIME_MS);
    while (forger_receive(&f) > 0) continue;
    forger_connect(&f);
    settle(&server);
    CHECK_EQ_INT(server.questions, 2);
    forger_close(&f);
    consumer_close(&server);
    wire_end(wire);
  }
}

TEST(a_lost_refusal_is_repeated) {
  struct consumer server;
  struct client client;
  struct relay relay;
  struct wire plain = {0};
  if (!has_guard()) return;
  asking_open(&server, plain);
  relay_open(&relay, &server, lose_the_answer);
  client_begin(&client, plain, relay.port[0]);
  UNTIL(server.questions == 1, (poll_with(&client, &server), relay_poll(&relay)));
  CHECK_EQ_INT(answer_with(&server, 5), 0);
  UNTIL(client.disconnects == 1, (poll_with(&client, &server), relay_poll(&relay)));
  CHECK_EQ_INT(client.data, 5);
  CHECK_EQ_INT(server.questions, 1);
  client_end(&client);
  relay_close(&relay);
  consumer_close(&server);
}

TEST(a_question_ends_in_time_and_does_not_age_before) {
  struct consumer server;
  struct wire plain = {0};
  struct forger late, accepted;
  if (!has_guard()) return;
  asking_open(&server, plain);
  forger_open(&late, &server);
  forger_connect(&late);
  settle(&server);
  skip(ENETJS_DECISION_MS - 500);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 1);
  skip(500);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 0);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_REFUSED_UNDECIDED), 1);
  CHECK_EQ_INT(answer_with(&server, ENETJS_ACCEPT), ENETJS_ERR_STALE);
  CHECK_EQ_INT(forger_receive(&late), 10);
  CHECK_EQ_INT(late.refusal, ENETJS_CODE_UNDECIDED);
  forger_open(&accepted, &server);
  forger_connect(&accepted);
  settle(&server);
  skip(ENETJS_DECISION_MS - 500);
  CHECK_EQ_INT(answer_with(&server, ENETJS_ACCEPT), 0);
  CHECK(forger_receive(&accepted) > 0);
  skip(LIFETIME_MS - 500);
  forger_acknowledge(&accepted);
  UNTIL(server.connects == 1, consumer_poll(&server));
  forger_close(&late);
  forger_close(&accepted);
  consumer_close(&server);
}

TEST(answers_that_make_no_sense_do_no_harm) {
  struct consumer server;
  struct wire plain = {0};
  struct forger f;
  if (!has_guard()) return;
  asking_open(&server, plain);
  CHECK_EQ_INT(enetjs_host_answer(server.host, 1, ENETJS_ACCEPT), ENETJS_ERR_STALE);
  forger_open(&f, &server);
  forger_connect(&f);
  settle(&server);
  CHECK_EQ_INT(answer_with(&server, -2), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(answer_with(&server, 4294967296.0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(answer_with(&server, 0.5), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_answer(server.host, server.question.extra + 1, 1), ENETJS_ERR_STALE);
  CHECK_EQ_INT(answer_with(&server, ENETJS_ACCEPT), 0);
  CHECK_EQ_INT(answer_with(&server, ENETJS_ACCEPT), ENETJS_ERR_STALE);
  CHECK_EQ_INT(answer_with(&server, 1), ENETJS_ERR_STALE);
  CHECK(forger_receive(&f) > 0);
  /* Where the program no longer decides, what has been asked still has to be answered. */
  f.connect.connectID = next_connect_id();
  forger_connect(&f);
  settle(&server);
  CHECK_EQ_INT(enetjs_host_set(server.host, ENETJS_CONFIG_ACCEPT, 0, 0), 0);
  CHECK_EQ_INT(forger_receive(&f), 0);
  CHECK_EQ_INT(answer_with(&server, ENETJS_ACCEPT), 0);
  CHECK(forger_receive(&f) > 0);
  f.connect.connectID = next_connect_id();
  forger_connect(&f);
  settle(&server);
  CHECK(forger_receive(&f) > 0);
  CHECK_EQ_INT(server.questions, 2);
  forger_close(&f);
  consumer_close(&server); /* with questions open, see below */
  CHECK_EQ_INT(answer_with(&server, ENETJS_ACCEPT), ENETJS_ERR_CLOSED);
}

TEST(a_host_that_closes_asks_nothing_and_lets_nobody_in) {
  struct consumer server;
  struct wire plain = {0};
  struct forger f[3]; /* one is asked about, one is answered, one comes late */
  if (!has_guard()) return;
  asking_open(&server, plain);
  for (int i = 0; i < 2; i++) {
    forger_open(&f[i], &server);
    forger_connect(&f[i]);
    settle(&server);
    if (i == 1) CHECK_EQ_INT(answer_with(&server, ENETJS_ACCEPT), 0);
  }
  CHECK(forger_receive(&f[1]) > 0);
  CHECK_EQ_INT(enetjs_host_shutdown(server.host, 3), 0);
  CHECK_EQ_INT(enetjs_host_answer(server.host, server.question.extra - 1, ENETJS_ACCEPT), ENETJS_ERR_STALE);
  CHECK_EQ_INT(enetjs_host_set(server.host, ENETJS_CONFIG_ACCEPT, 1, 0), 0);
  forger_acknowledge(&f[1]);
  forger_open(&f[2], &server);
  forger_connect(&f[2]);
  settle(&server);
  for (int i = 0; i < 3; i++) {
    CHECK_EQ_INT(forger_receive(&f[i]), 10);
    CHECK_EQ_INT(f[i].refusal, ENETJS_CODE_CLOSING);
    CHECK_EQ_INT(forger_receive(&f[i]), 0);
    forger_close(&f[i]);
  }
  CHECK_EQ_INT(server.questions, 2);
  CHECK_EQ_INT(server.connects, 0);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_REFUSED_FULL), 3);
  consumer_close(&server);
}

/* The clock stands still, for the questions are counted by the second. */
static void ask_the_most(struct consumer *server, struct wire wire, enet_uint32 now) {
  unsigned before = server->questions;
  struct forger f;
  forger_open(&f, server);
  f.wire = wire;
  for (unsigned i = 0; i < UNPROVED_QUESTIONS + 50; i++) {
    f.connect.connectID = next_connect_id();
    forger_connect(&f);
    enet_time_set(now);
    consumer_poll(server);
  }
  enet_time_set(now);
  settle(server);
  CHECK_EQ_INT(server->questions - before, UNPROVED_QUESTIONS);
  forger_close(&f);
}

/* @param early what the client sends while nothing is decided, or NULL */
static void prove_first(struct wire wire, double verdict, const char *early) {
  struct consumer server;
  struct client client;
  enet_uint32 now = enet_time_get();
  asking_open(&server, wire);
  ask_the_most(&server, wire, now);
  client_begin(&client, wire, port_of(&server));
  UNTIL(client.connects == 1 && server.questions == UNPROVED_QUESTIONS + 1,
        (enet_time_set(now), poll_with(&client, &server)));
  CHECK_EQ_INT(server.question.data, 7);
  if (early) client_send(&client, early);
  for (unsigned i = 0; i < 20; i++) poll_with(&client, &server);
  CHECK_EQ_INT(server.connects, 0);
  skip(ENETJS_DECISION_MS - 500);
  CHECK_EQ_INT(answer_with(&server, verdict), 0);
  if (verdict == ENETJS_ACCEPT) {
    UNTIL(server.connects == 1 && server.receives == (early != NULL), poll_with(&client, &server));
    CHECK(peer_statistic(&server, server.peer, ENETJS_PEER_STAT_ROUND_TRIP_TIME) < 500);
    client_exchange(&client, &server);
    CHECK_EQ_INT(client.disconnects, 0);
  } else {
    UNTIL(client.disconnects == 1, poll_with(&client, &server));
    CHECK_EQ_INT(client.data, (uint32_t)verdict);
    CHECK_EQ_INT(server.connects, 0);
  }
  client_end(&client);
  consumer_close(&server); /* with questions open */
}

TEST(beyond_some_questions_an_address_is_proved_first) {
  for (unsigned kind = 0; kind < 4; kind++) {
    struct wire wire = wire_of(kind);
    if (!has_guard()) return;
    prove_first(wire, ENETJS_ACCEPT, NULL);
    prove_first(wire, ENETJS_ACCEPT, "early");
    prove_first(wire, 17, NULL);
    wire_end(wire);
  }
}

/* The clock stands still, so that no attempt ends. */
static void connect_at(struct forger *f, struct consumer *server, enet_uint32 now) {
  forger_connect(f);
  enet_time_set(now);
  settle(server);
  enet_time_set(now);
}

/* @param assigned the ids of all attempts of the forger, which has one more now */
static void expect_free_id(struct forger *f, struct consumer *server, enet_uint32 now, bool *assigned) {
  /* After one CONNECT that compresses well, no answer may fit. */
  UNTIL(forger_receive(f) > 0, connect_at(f, server, now));
  CHECK(!assigned[f->id]);
  assigned[f->id] = true;
}

/*
 * An answer that does not compress well enough for what may be sent gets other numbers. When the program has
 * decided, the datagram that ENet has received last is somebody else's.
 */
TEST(ids_stay_apart_when_the_program_decides) {
  static bool assigned[ENET_PROTOCOL_MAXIMUM_PEER_ID];
  struct consumer server;
  struct wire wire = wire_of(1);
  struct forger f;
  enet_uint32 now = enet_time_get();
  if (!has_guard()) return;
  CHECK(wire.compressed);
  wired_open(&server, wire);
  forger_open(&f, &server);
  f.wire = wire;
  for (unsigned i = 0; i < 2500 / SLOW; i++) {
    f.connect.connectID = next_connect_id();
    connect_at(&f, &server, now);
    expect_free_id(&f, &server, now, assigned);
  }
  CHECK_EQ_INT(enetjs_host_set(server.host, ENETJS_CONFIG_ACCEPT, 1, 0), 0);
  for (unsigned i = 0; i < UNPROVED_QUESTIONS - 50; i++) {
    f.connect.connectID = next_connect_id();
    connect_at(&f, &server, now); /* what it settles with comes from another socket */
    CHECK_EQ_INT(server.questions, i + 1);
    CHECK_EQ_INT(answer_with(&server, ENETJS_ACCEPT), 0);
    expect_free_id(&f, &server, now, assigned);
  }
  forger_close(&f);
  consumer_close(&server);
  wire_end(wire);
}

/* The client believes that it is connected, so it goes on; what it sends has the refusal sent again. */
static unsigned lose_the_second_answer(int direction, unsigned number) {
  return direction == TO_SERVER || number != 1;
}

TEST(a_lost_refusal_of_a_proved_attempt_is_repeated) {
  struct consumer server;
  struct client client;
  struct relay relay;
  struct wire plain = {0};
  enet_uint32 now = enet_time_get();
  if (!has_guard()) return;
  asking_open(&server, plain);
  ask_the_most(&server, plain, now);
  relay_open(&relay, &server, lose_the_second_answer);
  client_begin(&client, plain, relay.port[0]);
  UNTIL(client.connects == 1 && server.questions == UNPROVED_QUESTIONS + 1,
        (enet_time_set(now), poll_with(&client, &server), relay_poll(&relay)));
  CHECK_EQ_INT(answer_with(&server, 17), 0);
  UNTIL(client.disconnects == 1, (poll_with(&client, &server), relay_poll(&relay)));
  CHECK_EQ_INT(client.data, 17);
  CHECK(relay.number[TO_CLIENT] > 2);
  client_end(&client);
  relay_close(&relay);
  consumer_close(&server);
}

TEST(a_flood_pushes_no_question_out) {
  struct consumer server;
  struct wire plain = {0};
  struct forger asked, f;
  enet_uint32 now = enet_time_get();
  if (!has_guard()) return;
  asking_open(&server, plain);
  forger_open(&asked, &server);
  forger_connect(&asked);
  settle(&server);
  forger_open(&f, &server);
  for (unsigned i = 0; i < ATTEMPTS; i++) {
    if (i % 3000 == 0) {
      forger_close(&f);
      forger_open(&f, &server);
    }
    f.connect.connectID = next_connect_id();
    forger_connect(&f);
    enet_time_set(now);
    consumer_poll(&server);
  }
  CHECK_EQ_INT(server.questions, UNPROVED_QUESTIONS);
  CHECK_EQ_INT(enetjs_host_answer(server.host, server.question.extra - UNPROVED_QUESTIONS + 1, ENETJS_ACCEPT),
               0);
  UNTIL(forger_receive(&asked) > 0, consumer_poll(&server));
  forger_acknowledge(&asked);
  UNTIL(server.connects == 1, consumer_poll(&server));
  forger_close(&asked);
  close_both(&f, &server);
}

/* Completes another handshake, with the clock at a standstill. */
static void forger_prove(struct forger *f, struct consumer *server, enet_uint32 now) {
  f->connect.connectID = next_connect_id();
  f->refusal = 0;
  forger_connect(f);
  UNTIL(forger_receive(f) > 0, (enet_time_set(now), consumer_poll(server)));
  forger_acknowledge(f);
  enet_time_set(now);
  settle(server);
}

TEST(an_address_has_a_share_of_the_questions) {
  struct consumer server;
  struct wire plain = {0};
  struct forger f, other;
  enet_uint32 now = enet_time_get();
  unsigned asked;
  double waiting;
  if (!has_guard()) return;
  asking_open(&server, plain);
  ask_the_most(&server, plain, now);
  forger_open(&f, &server);
  for (unsigned i = 0; i < ADDRESS_QUESTIONS + 50; i++) forger_prove(&f, &server, now);
  CHECK_EQ_INT(server.questions, UNPROVED_QUESTIONS + ADDRESS_QUESTIONS);
  waiting = server.question.extra;
  for (unsigned i = 0; i < 2; i++) { /* one of which may share that of the first */
    forger_open_at(&other, &server, 0x7F020001u + i);
    forger_prove(&other, &server, now);
    forger_close(&other);
  }
  CHECK(server.questions > UNPROVED_QUESTIONS + ADDRESS_QUESTIONS);
  asked = server.questions;
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_REFUSED_UNDECIDED), 0);
  /* One of those that were not asked goes on sending, so it is asked as soon as there is room. */
  CHECK_EQ_INT(enetjs_host_answer(server.host, waiting, 5), 0);
  forger_ping(&f, f.outgoing);
  UNTIL(f.refusal == 5 && f.answers > ADDRESS_QUESTIONS + 50,
        (enet_time_set(now), consumer_poll(&server), forger_receive(&f)));
  forger_acknowledge(&f);
  UNTIL(server.questions == asked + 1, (enet_time_set(now), consumer_poll(&server)));
  close_both(&f, &server);
}

TEST(handshakes_are_charged_although_they_are_refused) {
  struct consumer server;
  struct wire plain = {0};
  struct forger f;
  double rules[ENETJS_LIMIT_COUNT][2] = {{0}};
  enet_uint32 now = enet_time_get();
  unsigned asked;
  if (!has_guard()) return;
  asking_open(&server, plain);
  rules[ENETJS_LIMIT_CONNECTS][0] = 0.01;
  rules[ENETJS_LIMIT_CONNECTS][1] = 10;
  CHECK_EQ_INT(enetjs_host_set_limits(server.host, (const uint8_t *)rules, sizeof(rules), 0), 0);
  ask_the_most(&server, plain, now);
  asked = server.questions;
  forger_open(&f, &server);
  for (unsigned i = 0; i < 50; i++) {
    f.connect.connectID = next_connect_id();
    forger_connect(&f);
    enet_time_set(now);
    settle(&server);
    if (forger_receive(&f) > 0) forger_acknowledge(&f);
    enet_time_set(now);
    settle(&server);
    if (answer_with(&server, 5) == 0) forger_receive(&f);
  }
  CHECK_EQ_INT(server.questions - asked, 10);
  CHECK(statistic(&server, ENETJS_HOST_STAT_LIMITED_CONNECTS) >= 40);
  close_both(&f, &server);
}

/* One address completes handshakes that the program refuses, and another has been answered meanwhile. */
TEST(refused_clients_keep_nobody_out) {
  struct consumer server;
  struct wire plain = {0};
  struct forger f, honest;
  enet_uint32 now = enet_time_get();
  if (!has_guard()) return;
  asking_open(&server, plain);
  ask_the_most(&server, plain, now);
  forger_open(&f, &server);
  for (unsigned i = 0; i < ATTEMPTS; i++) {
    if (i % 3000 == 0) {
      forger_close(&f);
      forger_open(&f, &server);
    }
    if (i == ATTEMPTS - 10) {
      forger_open_at(&honest, &server, 0x7F020001u);
      forger_connect(&honest);
      UNTIL(forger_receive(&honest) > 0, (enet_time_set(now), consumer_poll(&server)));
    }
    f.connect.connectID = next_connect_id();
    forger_connect(&f);
    UNTIL(forger_receive(&f) > 0, (enet_time_set(now), consumer_poll(&server)));
    forger_acknowledge(&f);
    UNTIL(server.questions == UNPROVED_QUESTIONS + i + 1, (enet_time_set(now), consumer_poll(&server)));
    CHECK_EQ_INT(answer_with(&server, 5), 0);
    UNTIL(forger_receive(&f) > 0, consumer_poll(&server));
  }
  forger_acknowledge(&honest);
  enet_time_set(now);
  settle(&server);
  CHECK_EQ_INT(answer_with(&server, ENETJS_ACCEPT), 0);
  UNTIL(server.connects == 1, consumer_poll(&server));
  forger_close(&honest);
  close_both(&f, &server);
}

/* A stock client that is connected, as it believes, and that the program is asked about. */
static void client_prove(struct client *c, struct consumer *server, struct wire wire) {
  enet_uint32 now = enet_time_get();
  asking_open(server, wire);
  ask_the_most(server, wire, now);
  client_begin(c, wire, port_of(server));
  UNTIL(c->connects == 1 && server->questions == UNPROVED_QUESTIONS + 1,
        (enet_time_set(now), poll_with(c, server)));
}

TEST(a_client_that_leaves_undecided_becomes_no_peer) {
  for (unsigned kind = 0; kind < 8; kind++) {
    struct consumer server;
    struct client client;
    struct wire wire = wire_of(kind);
    double half_open;
    enet_uint32 now;
    if (!has_guard()) return;
    client_prove(&client, &server, wire);
    now = enet_time_get();
    half_open = statistic(&server, ENETJS_HOST_STAT_HALF_OPEN);
    if (kind < 4) {
      enet_peer_disconnect_now(client.peer, 0);
    } else { /* which waits for an answer */
      enet_peer_disconnect(client.peer, 0);
      UNTIL(client.disconnects == 1, (enet_time_set(now), poll_with(&client, &server)));
    }
    UNTIL(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN) < half_open,
          (enet_time_set(now), consumer_poll(&server)));
    CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), half_open - 1);
    CHECK_EQ_INT(answer_with(&server, ENETJS_ACCEPT), ENETJS_ERR_STALE);
    settle(&server);
    CHECK_EQ_INT(server.connects, 0);
    CHECK_EQ_INT(host_of(&server)->enet->connectedPeers, 0);
    client_end(&client);
    consumer_close(&server);
    wire_end(wire);
  }
}

TEST(a_host_that_closes_declines_what_is_undecided) {
  for (unsigned kind = 0; kind < 4; kind++) {
    struct consumer server;
    struct client proved;
    struct forger unproved;
    struct wire wire = wire_of(kind);
    if (!has_guard()) return;
    client_prove(&proved, &server, wire);
    skip(1000);
    forger_open(&unproved, &server);
    unproved.wire = wire;
    forger_connect(&unproved);
    UNTIL(server.questions == UNPROVED_QUESTIONS + 2, consumer_poll(&server));
    consumer_close(&server);
    UNTIL(proved.disconnects == 1 && unproved.refusal != 0,
          (client_poll(&proved), forger_receive(&unproved)));
    CHECK_EQ_INT(proved.data, ENETJS_CODE_CLOSING);
    CHECK_EQ_INT(unproved.refusal, ENETJS_CODE_CLOSING);
    CHECK(unproved.received <= unproved.sent);
    forger_close(&unproved);
    client_end(&proved);
    wire_end(wire);
  }
}

/* What there is no room for in the ring is not kept longer than its attempt. */
TEST(questions_end_while_the_program_stalls) {
  struct consumer server;
  struct forger f;
  enet_uint32 now = enet_time_get();
  if (!has_guard()) return;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_COMPLETION_CAPACITY] = 16;
  consumer_open(&server);
  CHECK_EQ_INT(enetjs_host_set(server.host, ENETJS_CONFIG_ACCEPT, 1, 0), 0);
  forger_open(&f, &server);
  for (unsigned i = 0; i < 100; i++) {
    f.connect.connectID = next_connect_id();
    forger_connect(&f);
  }
  UNTIL(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN) == 100,
        (enet_time_set(now), enetjs_host_service(server.host, 0)));
  CHECK_EQ_INT(server.words[ENETJS_WORD_HELD], 100 - 16);
  skip(ENETJS_DECISION_MS - 500);
  f.connect.connectID = next_connect_id();
  forger_connect(&f);
  UNTIL(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN) == 101, enetjs_host_service(server.host, 0));
  skip(500);
  UNTIL(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN) == 1, enetjs_host_service(server.host, 0));
  consumer_poll(&server);
  CHECK_EQ_INT(server.questions, 16 + 1);
  CHECK(server.question.generation >= 500 && server.question.generation < ENETJS_DECISION_MS);
  CHECK_EQ_INT(answer_with(&server, ENETJS_ACCEPT), 0);
  close_both(&f, &server);
}

TEST(questions_are_bounded) {
  struct consumer server;
  struct wire plain = {0};
  struct forger f;
  enet_uint32 now = enet_time_get();
  if (!has_guard()) return;
  asking_open(&server, plain);
  ask_the_most(&server, plain, now);
  forger_open(&f, &server);
  for (unsigned i = 0; i < QUESTIONS - UNPROVED_QUESTIONS + 1; i++) {
    if (i % (ADDRESS_QUESTIONS / 2) == 0) { /* two may share what they have */
      forger_close(&f);
      forger_open_at(&f, &server, 0x7F020001u + i);
    }
    forger_prove(&f, &server, now);
  }
  CHECK_EQ_INT(server.questions, QUESTIONS);
  UNTIL(f.refusal == ENETJS_CODE_UNDECIDED, forger_receive(&f));
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_REFUSED_UNDECIDED), 1);
  CHECK_EQ_INT(server.connects, 0);
  close_both(&f, &server);
}

TEST(an_unbound_host_cannot_be_asked) {
  struct consumer client;
  client_open(&client);
  CHECK_EQ_INT(enetjs_host_set(client.host, ENETJS_CONFIG_ACCEPT, 1, 0), ENETJS_ERR_UNGUARDED);
  CHECK_EQ_INT(enetjs_host_set(client.host, ENETJS_CONFIG_ACCEPT, 0, 0), 0);
  consumer_close(&client);
}

TEST(the_filter_refuses_where_it_is_told_to) {
  static const uint32_t rule[3] = {LOOPBACK, LOOPBACK, 0};
  for (unsigned kind = 0; kind < 4; kind++) {
    struct consumer server;
    struct client client;
    struct wire wire = wire_of(kind);
    if (!has_guard()) return;
    wired_open(&server, wire);
    CHECK_EQ_INT(enetjs_host_set_filter(server.host, (const uint8_t *)rule, sizeof(rule)), 0);
    client_begin(&client, wire, port_of(&server));
    UNTIL(statistic(&server, ENETJS_HOST_STAT_FILTERED) > 0, poll_with(&client, &server));
    CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_SENT_PACKETS), 0);
    CHECK_EQ_INT(enetjs_host_set(server.host, ENETJS_CONFIG_FILTER_REFUSES, 1, 0), 0);
    UNTIL(client.disconnects == 1, poll_with(&client, &server));
    CHECK_EQ_INT(client.data, ENETJS_CODE_DENIED);
    CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_REFUSED_FILTER), 1);
    CHECK_EQ_INT(server.connects, 0);
    client_end(&client);
    consumer_close(&server);
    wire_end(wire);
  }
}

TEST(an_address_with_as_many_peers_as_it_may_have_is_told) {
  struct consumer server;
  struct client client, another;
  struct wire plain = {0};
  if (!has_guard()) return;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_DUPLICATE_PEERS] = 1;
  consumer_open(&server);
  client_begin(&client, plain, port_of(&server));
  UNTIL(client.connects == 1 && server.connects == 1, poll_with(&client, &server));
  client_begin(&another, plain, port_of(&server));
  UNTIL(another.disconnects == 1, poll_with(&another, &server));
  CHECK_EQ_INT(another.data, ENETJS_CODE_DUPLICATE);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_REFUSED_DUPLICATE), 1);
  client_end(&client);
  client_end(&another);
  consumer_close(&server);
}

/* ---- Where ENet looks up --------------------------------------------------------------------- */

/*
 * ENet sends after 256 datagrams, also when the last of them was the CONNECT that it was handed. A host with
 * the most peers hands it 255 from the socket in a round. Another one is the CONNECT of a client that was
 * decided about, which ENet refuses here, for there is a peer of its address.
 * @param before how many datagrams ENet is shown before the CONNECT
 */
static void hand_over_after(unsigned before) {
  struct consumer server;
  struct wire plain = {0};
  struct forger crowded, first, f;
  enet_uint32 now;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_PEERS] = ENET_PROTOCOL_MAXIMUM_PEER_ID;
  server.config[ENETJS_CONFIG_DUPLICATE_PEERS] = 1;
  server.config[ENETJS_CONFIG_DATAGRAMS] = 1;
  consumer_open(&server);
  forger_open_at(&f, &server, LOOPBACK + 1);
  forger_connect(&f);
  settle(&server);
  CHECK(forger_receive(&f) > 0);
  forger_open_answered(&first, &server);
  CHECK_EQ_INT(enetjs_host_set(server.host, ENETJS_CONFIG_ACCEPT, 1, 0), 0);
  now = enet_time_get();
  ask_the_most(&server, plain, now);
  forger_open(&crowded, &server);
  forger_connect(&crowded);
  UNTIL(forger_receive(&crowded) > 0, (enet_time_set(now), consumer_poll(&server)));
  forger_acknowledge(&crowded);
  UNTIL(server.questions == UNPROVED_QUESTIONS + 1, consumer_poll(&server));
  CHECK_EQ_INT(enetjs_host_set(server.host, ENETJS_CONFIG_ACCEPT, 0, 0), 0);
  forger_acknowledge(&first);
  UNTIL(server.connects == 1, consumer_poll(&server));

  for (unsigned i = 1; i < before; i++) CHECK_EQ_INT(socket_send(crowded.socket, crowded.to, "!", 1), 1);
  forger_acknowledge(&f);
  CHECK_EQ_INT(answer_with(&server, ENETJS_ACCEPT), 0);
  UNTIL(server.connects == 2, consumer_poll(&server));
  CHECK_EQ_INT(enetjs_peer_disconnect(server.host, server.peer, 3, ENETJS_DISCONNECT_NOW), 0);
  UNTIL(f.refusal == 3, forger_receive(&f));
  CHECK_EQ_INT(f.answers, 1);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_REFUSED_DUPLICATE), 1);
  forger_close(&crowded);
  forger_close(&first);
  forger_close(&f);
  consumer_close(&server);
}

TEST(enets_own_answer_is_never_seen) {
  if (!has_guard()) return;
  for (unsigned before = SLOW > 1 ? 255 : 253; before < 256; before++) hand_over_after(before);
}

/* ---- Our own attempts ------------------------------------------------------------------------ */

/* A server that answers a CONNECT with what it likes. */
struct answerer {
  ENetSocket socket;
  uint16_t port, client_port;
  ENetProtocolConnect connect;
};

static bool answerer_receive(struct answerer *a) {
  uint8_t bytes[4096];
  if (socket_receive(a->socket, &a->client_port, bytes, sizeof(bytes)) < 52) return false;
  memcpy(&a->connect, bytes + sizeof(ENetProtocolHeader), sizeof(a->connect));
  return true;
}

static void answer_with_refusal(struct answerer *a, const ENetProtocolConnect *connect) {
  uint8_t bytes[10] = {0, 0, ENET_PROTOCOL_COMMAND_DISCONNECT | ENET_PROTOCOL_COMMAND_FLAG_UNSEQUENCED, 0xFF};
  memcpy(bytes, &connect->outgoingPeerID, 2);
  socket_send(a->socket, a->client_port, bytes, sizeof(bytes));
}

static void answer_with_verify(struct answerer *a, const ENetProtocolConnect *connect) {
  ENetProtocolVerifyConnect verify;
  uint8_t bytes[VERIFY_BYTES] = {0};
  enet_uint16 word = connect->outgoingPeerID | ENET_HOST_TO_NET_16(ENET_PROTOCOL_HEADER_FLAG_SENT_TIME);
  memset(&verify, 0, sizeof(verify));
  verify.header.command = ENET_PROTOCOL_COMMAND_VERIFY_CONNECT | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE;
  verify.header.channelID = 0xFF;
  verify.header.reliableSequenceNumber = ENET_HOST_TO_NET_16(1);
  verify.mtu = connect->mtu;
  verify.windowSize = connect->windowSize;
  verify.channelCount = connect->channelCount;
  verify.packetThrottleInterval = connect->packetThrottleInterval;
  verify.packetThrottleAcceleration = connect->packetThrottleAcceleration;
  verify.packetThrottleDeceleration = connect->packetThrottleDeceleration;
  verify.connectID = connect->connectID;
  memcpy(bytes, &word, 2);
  memcpy(bytes + sizeof(ENetProtocolHeader), &verify, sizeof(verify));
  socket_send(a->socket, a->client_port, bytes, sizeof(bytes));
}

TEST(answers_to_abandoned_attempts_miss) {
  struct consumer client;
  struct answerer server = {0};
  ENetProtocolConnect abandoned;
  unsigned forged_seed = 0;
  server.socket = socket_open(&server.port);
  client_open(&client);
  for (unsigned i = 1; i <= ROUNDS; i++) {
    double peer = enetjs_host_connect(client.host, LOOPBACK, server.port, 1, 0);
    UNTIL(answerer_receive(&server), consumer_poll(&client));
    abandoned = server.connect;
    CHECK_EQ_INT(enetjs_peer_reset(client.host, peer), 0);
    CHECK(enetjs_host_connect(client.host, LOOPBACK, server.port, 1, 0) > 0);
    UNTIL(answerer_receive(&server), consumer_poll(&client));
    CHECK(server.connect.outgoingPeerID != abandoned.outgoingPeerID);
    forged_seed += server.connect.connectID == abandoned.connectID + 1;
    answer_with_verify(&server, &abandoned);
    answer_with_refusal(&server, &abandoned);
    abandoned.outgoingPeerID = server.connect.outgoingPeerID;
    answer_with_verify(&server, &abandoned);
    answer_with_verify(&server, &server.connect);
    UNTIL(client.connects == i || client.last_completion.extra == ENETJS_REASON_REFUSED,
          consumer_poll(&client));
    CHECK_EQ_INT(client.connects, i);
    CHECK_EQ_INT(client.disconnects, 0);
    CHECK_EQ_INT(enetjs_peer_reset(client.host, client.peer), 0);
    client.disconnects = 0;
    consumer_drain(&client);
    client.disconnects = 0;
  }
  CHECK_EQ_INT(forged_seed, 0);
  enet_socket_destroy(server.socket);
  consumer_close(&client);
  check_nothing_left();
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(stock_clients_connect),
      TEST_CASE(a_late_connect_begins_nothing),
      TEST_CASE(duplicates_do_no_harm),
      TEST_CASE(a_lost_answer_is_repeated),
      TEST_CASE(a_lost_acknowledgement_is_asked_for_again),
      TEST_CASE(an_overtaken_acknowledgement_does_no_harm),
      TEST_CASE(an_address_and_port_connects_again_and_again),
      TEST_CASE(connections_of_one_address_have_ids_of_their_own),
      TEST_CASE(an_unproved_address_gets_no_more_than_it_sends),
      TEST_CASE(forged_connects_leave_the_host_connectable),
      TEST_CASE(blind_guesses_do_not_complete),
      TEST_CASE(only_the_first_command_is_a_guess),
      TEST_CASE(each_assigned_number_must_be_right),
      TEST_CASE(a_wrong_time_is_replaced_by_ours),
      TEST_CASE(an_assigned_id_and_session_are_answered_three_times),
      TEST_CASE(attempts_end_in_time),
      TEST_CASE(the_table_is_bounded_and_the_oldest_goes_first),
      TEST_CASE(a_full_host_says_so),
      TEST_CASE(a_late_copy_of_a_connect_ends_nothing_when_memory_is_short),
      TEST_CASE(a_place_that_is_gone_is_refused_in_the_end),
      TEST_CASE(what_enet_would_ignore_is_ignored),
      TEST_CASE(the_program_is_asked_before_a_stock_client_is_answered),
      TEST_CASE(a_repeated_connect_asks_nothing_again),
      TEST_CASE(a_lost_refusal_is_repeated),
      TEST_CASE(a_question_ends_in_time_and_does_not_age_before),
      TEST_CASE(answers_that_make_no_sense_do_no_harm),
      TEST_CASE(a_host_that_closes_asks_nothing_and_lets_nobody_in),
      TEST_CASE(beyond_some_questions_an_address_is_proved_first),
      TEST_CASE(ids_stay_apart_when_the_program_decides),
      TEST_CASE(a_lost_refusal_of_a_proved_attempt_is_repeated),
      TEST_CASE(a_flood_pushes_no_question_out),
      TEST_CASE(questions_are_bounded),
      TEST_CASE(an_address_has_a_share_of_the_questions),
      TEST_CASE(handshakes_are_charged_although_they_are_refused),
      TEST_CASE(refused_clients_keep_nobody_out),
      TEST_CASE(a_client_that_leaves_undecided_becomes_no_peer),
      TEST_CASE(a_host_that_closes_declines_what_is_undecided),
      TEST_CASE(questions_end_while_the_program_stalls),
      TEST_CASE(an_unbound_host_cannot_be_asked),
      TEST_CASE(the_filter_refuses_where_it_is_told_to),
      TEST_CASE(an_address_with_as_many_peers_as_it_may_have_is_told),
      TEST_CASE(enets_own_answer_is_never_seen),
      TEST_CASE(answers_to_abandoned_attempts_miss),
  };
  return test_run(cases, TEST_COUNT(cases));
}
