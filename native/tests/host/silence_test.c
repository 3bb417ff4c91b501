/*
 * How soon a peer that acknowledges nothing is ended, also when it has forged a long round-trip time.
 */
#include "../wire/forger.h"

enum { STEP_MS = 10, LATE_MS = 32000, WITHIN_MS = ENET_PEER_TIMEOUT_MAXIMUM + 4000 };

/*
 * Every second one as if what the server has sent had come long ago: the 16 bits of time always reach back so
 * far.
 */
static void acknowledge_late(struct forger *f, bool late) {
  uint8_t in[ENET_PROTOCOL_MAXIMUM_MTU];
  ENetProtocolCommandHeader command;
  int length;
  while ((length = socket_receive(f->socket, NULL, in, sizeof(in))) > 0) {
    if (length < (int)(sizeof(ENetProtocolHeader) + sizeof(command))) continue;
    memcpy(&command, in + sizeof(ENetProtocolHeader), sizeof(command));
    if (!(command.command & ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE)) continue;
    forge_begin(f);
    forge_acknowledge(f, command.channelID, ENET_NET_TO_HOST_16(command.reliableSequenceNumber),
                      ENET_HOST_TO_NET_16((uint16_t)(enet_time_get() - (late ? LATE_MS : 0))));
    forge_flush(f);
  }
}

static void pass_time(struct consumer *server) {
  enet_time_set(enet_time_get() + STEP_MS);
  consumer_poll(server);
}

/* A connection on which ENet waits for more than a minute before it retransmits. */
static void open_late(struct consumer *server, struct forger *f) {
  const ENetPeer *peer;
  server_open(server);
  forger_open(f);
  forger_connect(f, server, 2);
  UNTIL(server->connects == 1, consumer_poll(server));
  for (unsigned ms = 0; ms < 120000; ms += STEP_MS) {
    pass_time(server);
    acknowledge_late(f, ms / 1000 % 2 == 0);
  }
  peer = &host_of(server)->enet->peers[0];
  CHECK(peer->roundTripTime + 4 * peer->roundTripTimeVariance > 60000);
}

static void finish(struct consumer *server, struct forger *f) {
  enet_socket_destroy(f->socket);
  consumer_close(server);
  check_nothing_left();
}

TEST(a_silent_peer_is_noticed) {
  struct consumer server;
  struct forger f;
  unsigned ms = 0;
  open_late(&server, &f);
  for (; server.disconnects == 0 && ms < 10 * WITHIN_MS; ms += STEP_MS) {
    pass_time(&server);
    forger_drain(&f);
  }
  printf("# noticed after %u ms\n", ms);
  CHECK(ms < WITHIN_MS);
  CHECK_EQ_INT(server.last.extra, ENETJS_REASON_TIMEOUT);
  finish(&server, &f);
}

/* @param acknowledges it goes on with that, but not of the disconnect */
static void check_kick(bool acknowledges) {
  struct consumer server;
  struct forger f;
  unsigned ms = 0;
  open_late(&server, &f);
  CHECK_EQ_INT(enetjs_peer_disconnect(server.host, server.peer, 0, ENETJS_DISCONNECT), 0);
  for (; host_of(&server)->enet->peers[0].state != ENET_PEER_STATE_DISCONNECTED && ms < 10 * WITHIN_MS;
       ms += STEP_MS) {
    pass_time(&server);
    forger_drain(&f);
    if (!acknowledges || ms % 1000 > 0) continue;
    forge_begin(&f);
    forge_acknowledge(&f, 0xFF, 1, ENET_HOST_TO_NET_16((uint16_t)(enet_time_get() - LATE_MS)));
    forge_flush(&f);
  }
  printf("# free after %u ms\n", ms);
  CHECK(ms < WITHIN_MS);
  CHECK_EQ_INT(server.disconnects, 1);
  finish(&server, &f);
}

TEST(a_kicked_peer_leaves_its_place) { check_kick(false); }
TEST(a_kicked_peer_that_acknowledges_else_leaves_its_place) { check_kick(true); }

/*
 * Acknowledges once a second what was never sent, and nothing that was.
 * @param how the server ends the connection, or -1
 */
static void check_invented(int how) {
  struct consumer server;
  struct forger f;
  unsigned ms = 0;
  open_late(&server, &f);
  if (how >= 0) {
    CHECK(enetjs_peer_send_buffer(server.host, server.peer, 0, 1, (const uint8_t *)"x", 1, 0) >= 0);
    CHECK_EQ_INT(enetjs_peer_disconnect(server.host, server.peer, 0, how), 0);
  }
  for (; host_of(&server)->enet->peers[0].state != ENET_PEER_STATE_DISCONNECTED && ms < 10 * WITHIN_MS;
       ms += STEP_MS) {
    pass_time(&server);
    forger_drain(&f);
    if (ms % 1000 > 0) continue;
    forge_begin(&f);
    forge_acknowledge(&f, 0, 0x7000,
                      ENET_HOST_TO_NET_16((uint16_t)(enet_time_get() - (ms / 1000 % 2 ? 65000 : 0))));
    forge_flush(&f);
  }
  printf("# free after %u ms\n", ms);
  CHECK(ms < WITHIN_MS);
  CHECK_EQ_INT(server.disconnects, 1);
  finish(&server, &f);
}

TEST(a_peer_that_acknowledges_what_was_never_sent_is_silent) { check_invented(-1); }
TEST(such_a_peer_does_not_delay_a_later_disconnect) { check_invented(ENETJS_DISCONNECT_LATER); }

/* One command is lost whenever it is sent; the others are acknowledged. */
TEST(a_peer_that_misses_one_message_is_heard) {
  struct consumer server;
  struct forger f;
  unsigned ms = 0;
  open_late(&server, &f);
  for (; server.disconnects == 0 && ms < WITHIN_MS; ms += STEP_MS) {
    if (ms % 500 == 0)
      CHECK(enetjs_peer_send_buffer(server.host, server.peer, 0, 1, (const uint8_t *)"x", 1, 0) >= 0);
    pass_time(&server);
    if (ms < 1000)
      forger_drain(&f);
    else
      acknowledge_late(&f, ms / 1000 % 2 == 0);
  }
  CHECK_EQ_INT(server.disconnects, 0);
  finish(&server, &f);
}

/* A host that is not serviced hears nothing, but not because its peers are silent. */
TEST(time_without_service_is_not_silence) {
  struct consumer server, client;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  for (unsigned i = 0; i < 100; i++) {
    CHECK(enetjs_peer_send_buffer(client.host, peer, 0, 1, (const uint8_t *)"x", 1, 0) >= 0);
    poll_both(&client, &server);
    enet_time_set(enet_time_get() + 4000);
  }
  UNTIL(server.receives == 100, poll_both(&client, &server));
  CHECK_EQ_INT(enetjs_peer_state(client.host, peer), ENET_PEER_STATE_CONNECTED);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(a_silent_peer_is_noticed),
      TEST_CASE(a_kicked_peer_leaves_its_place),
      TEST_CASE(a_kicked_peer_that_acknowledges_else_leaves_its_place),
      TEST_CASE(a_peer_that_acknowledges_what_was_never_sent_is_silent),
      TEST_CASE(such_a_peer_does_not_delay_a_later_disconnect),
      TEST_CASE(a_peer_that_misses_one_message_is_heard),
      TEST_CASE(time_without_service_is_not_silence),
  };
  return test_run(cases, TEST_COUNT(cases));
}
