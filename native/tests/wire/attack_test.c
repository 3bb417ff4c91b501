/* Attacks that came through once, each by a few datagrams. */
#include "../consumer.h"
#include "forger.h"

/* Moves ENet's time by seconds, and services after each. */
static void pass_seconds(struct consumer *c, unsigned seconds) {
  while (seconds-- > 0) {
    enet_time_set(enet_time_get() + 1000);
    consumer_poll(c);
  }
}

/*
 * ENet acknowledges nothing in a datagram without a sent time, and waits for having acknowledged a
 * DISCONNECT.
 */
TEST(a_disconnect_that_cannot_be_acknowledged_ends_the_connection) {
  struct consumer server;
  struct forger f;
  ENetProtocolDisconnect command;
  uint16_t word;
  server_open(&server);
  forger_open(&f);
  forger_connect(&f, &server, 2);
  command.header =
      forge_header(ENET_PROTOCOL_COMMAND_DISCONNECT, ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE, 0xFF, 1);
  command.data = 0;
  word = ENET_HOST_TO_NET_16((uint16_t)(f.header & ~ENET_PROTOCOL_HEADER_FLAG_SENT_TIME));
  memcpy(f.bytes, &word, sizeof(word));
  f.length = sizeof(word);
  forge_put(&f, &command, sizeof(command));
  forge_flush(&f);
  UNTIL(server.disconnects == 1, consumer_poll(&server));
  pass_seconds(&server, 60);
  CHECK_EQ_INT(host_of(&server)->enet->peers[0].state, ENET_PEER_STATE_DISCONNECTED);
  enet_socket_destroy(f.socket);
  consumer_close(&server);
}

/* ENet forgets a CONNECT that is acknowledged, and with it the attempt's timeout. */
TEST(an_attempt_that_is_acknowledged_but_not_answered_ends) {
  struct consumer client;
  struct forger f;
  uint16_t port, from = 0;
  uint8_t in[4096];
  ENetProtocolConnect connect;
  memset(&f, 0, sizeof(f));
  f.socket = socket_open(&port);
  client_open(&client);
  CHECK(enetjs_host_connect(client.host, LOOPBACK, port, 2, 0) > 0);
  UNTIL(socket_receive(f.socket, &from, in, sizeof(in)) > 0, consumer_poll(&client));
  memcpy(&connect, in + sizeof(ENetProtocolHeader), sizeof(connect));
  f.to = from;
  f.header = (uint16_t)(ENET_NET_TO_HOST_16(connect.outgoingPeerID) | ENET_PROTOCOL_HEADER_FLAG_SENT_TIME);
  forge_begin(&f);
  forge_acknowledge(&f, 0xFF, 1, 0);
  forge_flush(&f);
  for (int i = 0; i < 5; i++) consumer_poll(&client);
  pass_seconds(&client, 3600);
  CHECK_EQ_INT(client.closed, 1);
  enet_socket_destroy(f.socket);
  consumer_close(&client);
}

/* A fragment of a message that is dropped to make room makes ENet allocate it again. */
TEST(what_a_datagram_relies_on_is_not_dropped_for_the_rest_of_it) {
  struct consumer server;
  struct forger f;
  uint16_t sequence = 1;
  tight_server_start(&server, 4 << 20);
  consumer_open(&server);
  forger_open(&f);
  forger_connect(&f, &server, 4);
  for (unsigned i = 0; i < 6000; i++) {
    forge_begin(&f);
    forge_part(&f, ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT, 1, 0, 1, 1 << 20, 60, 0);
    forge_reliable(&f, 0, sequence, 3900);
    forger_send(&f, &server);
    if (host_of(&server)->enet->peers[0].channels[0].incomingReliableSequenceNumber == sequence) sequence++;
    CHECK(host_of(&server)->slots[0].account->bytes < 6 << 20);
  }
  enet_socket_destroy(f.socket);
  consumer_close(&server);
}

TEST(a_host_that_was_full_is_not_full_for_ever) {
  struct consumer server;
  struct forger first, second;
  uint8_t in[4096];
  consumer_start(&server);
  server.config[ENETJS_CONFIG_PEERS] = 1;
  consumer_open(&server);
  if (!host_of(&server)->guard) goto done;
  forger_open(&first);
  forger_open(&second);
  forger_connect(&first, &server, 2);
  consumer_poll(&server);
  second.to = first.to;
  forge_connect_command(&second, 2);
  UNTIL(socket_receive(second.socket, NULL, in, sizeof(in)) == 10, consumer_poll(&server)); /* refused */
  forge_disconnect(&first);
  UNTIL(host_of(&server)->enet->peers[0].state == ENET_PEER_STATE_DISCONNECTED, consumer_poll(&server));
  for (unsigned i = 0; i < 3; i++) {
    int length = 0;
    socket_send(first.socket, first.to, "garbage", 7);
    forge_connect_command(&second, 2);
    UNTIL((length = socket_receive(second.socket, NULL, in, sizeof(in))) > 0, consumer_poll(&server));
    CHECK(length > 10);
  }
  enet_socket_destroy(first.socket);
  enet_socket_destroy(second.socket);
done:
  consumer_close(&server);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(a_disconnect_that_cannot_be_acknowledged_ends_the_connection),
      TEST_CASE(an_attempt_that_is_acknowledged_but_not_answered_ends),
      TEST_CASE(what_a_datagram_relies_on_is_not_dropped_for_the_rest_of_it),
      TEST_CASE(a_host_that_was_full_is_not_full_for_ever),
  };
  if (enetjs_host_initialize() < 0) return EXIT_FAILURE;
  return test_run(cases, TEST_COUNT(cases));
}
