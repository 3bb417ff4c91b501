/*
 * The first messages of a connection, when the last acknowledgement of the handshake is overtaken or lost.
 * A relay between this library's client and a server on plain ENet reorders datagrams by a script. The
 * server is serviced only after a whole batch has been passed on, and nothing is retransmitted in between.
 * So every message that the server has then came with the first transmission.
 */
#include "../consumer.h"

enum { DATAGRAMS = 512, DATAGRAM_BYTES = 2048 };

struct relay {
  struct consumer client;
  ENetHost *server;
  ENetSocket front, back; /* towards the client, towards the server */
  uint16_t front_port, client_port;
  size_t count; /* of datagrams from the client that have not been passed on */
  struct {
    size_t length;
    uint8_t bytes[DATAGRAM_BYTES];
  } datagram[DATAGRAMS];
  double peer;
  unsigned connects, disconnects, receives;
  size_t received_bytes;
};

static struct relay relay;

static void open_server(bool checksum, bool compress) {
  ENetAddress address = {.port = 0};
  address.host = ENET_HOST_TO_NET_32(LOOPBACK);
  relay.server = enet_host_create(&address, 4, 2, 0, 0);
  CHECK(relay.server != NULL);
  if (checksum) relay.server->checksum = enet_crc32;
  if (compress) enet_host_compress_with_range_coder(relay.server);
}

static void serve(void) {
  ENetEvent event;
  while (enet_host_service(relay.server, &event, 0) > 0) {
    relay.connects += event.type == ENET_EVENT_TYPE_CONNECT;
    relay.disconnects += event.type == ENET_EVENT_TYPE_DISCONNECT;
    if (event.type != ENET_EVENT_TYPE_RECEIVE) continue;
    relay.receives++;
    relay.received_bytes += event.packet->dataLength;
    enet_packet_destroy(event.packet);
  }
}

/* Takes what the client has sent. */
static void gather(void) {
  int length;
  while (relay.count < DATAGRAMS &&
         (length = socket_receive(relay.front, &relay.client_port, relay.datagram[relay.count].bytes,
                                  DATAGRAM_BYTES)) > 0)
    relay.datagram[relay.count++].length = (size_t)length;
  CHECK(relay.count < DATAGRAMS);
}

static void pass_on(size_t index) {
  CHECK(socket_send(relay.back, relay.server->address.port, relay.datagram[index].bytes,
                    relay.datagram[index].length) > 0);
}

static void pass_in_order(void) {
  gather();
  for (size_t i = 0; i < relay.count; i++) pass_on(i);
  relay.count = 0;
  serve();
}

/* In small lots, for the buffer of the server's socket. */
static void pass_in_reverse(void) {
  gather();
  while (relay.count > 0) {
    pass_on(--relay.count);
    if (relay.count % 16 == 0) serve();
  }
}

static void pass_back(void) {
  uint8_t bytes[DATAGRAM_BYTES];
  int length;
  while ((length = socket_receive(relay.back, NULL, bytes, sizeof(bytes))) > 0)
    CHECK(socket_send(relay.front, relay.client_port, bytes, (size_t)length) > 0);
}

/* The client is connected then, and its acknowledgement is the last datagram that was gathered. */
static void open_relay(bool checksum, bool compress) {
  uint16_t port;
  memset(&relay, 0, sizeof(relay));
  open_server(checksum, compress);
  relay.front = socket_open(&relay.front_port);
  relay.back = socket_open(&port);
  consumer_start(&relay.client);
  relay.client.config[ENETJS_CONFIG_ADDRESS] = -1;
  relay.client.config[ENETJS_CONFIG_CHECKSUM] = checksum;
  relay.client.config[ENETJS_CONFIG_COMPRESSION] = compress;
  consumer_open(&relay.client);
  relay.peer = enetjs_host_connect(relay.client.host, LOOPBACK, relay.front_port, 2, 0);
  CHECK(relay.peer > 0);
  consumer_poll(&relay.client);
  UNTIL(relay.server->totalSentPackets > 0, pass_in_order());
  UNTIL(relay.client.connects == 1, (pass_back(), consumer_poll(&relay.client)));
  UNTIL(relay.count > 0, gather());
  CHECK_EQ_INT(relay.connects, 0);
}

static void close_relay(void) {
  consumer_close(&relay.client);
  enet_host_destroy(relay.server);
  enet_socket_destroy(relay.front);
  enet_socket_destroy(relay.back);
  check_nothing_left();
}

static void flush(void) { CHECK_EQ_INT(enetjs_host_flush(relay.client.host), 0); }

static void send_bytes(size_t length, uint32_t flags) {
  static uint8_t bytes[100000];
  CHECK(enetjs_peer_send_buffer(relay.client.host, relay.peer, 0, flags, bytes, (double)length, 0) >= 0);
}

/* Nothing more has to be sent for it. */
static void settle(void) {
  struct enetjs_host *h = host_of(&relay.client);
  UNTIL(h->handshakes.first == NULL &&
            peer_statistic(&relay.client, relay.peer, ENETJS_PEER_STAT_QUEUED_MESSAGES) == 0,
        (pass_in_order(), pass_back(), consumer_poll(&relay.client)));
}

/* Sends a message; it arrives, and so does the connection, when its datagrams overtake each other. */
static void check_one_message(uint32_t flags) {
  send_bytes(100, flags);
  flush();
  pass_in_reverse();
  CHECK_EQ_INT(relay.connects, 1);
  CHECK_EQ_INT(relay.receives, 1);
  settle();
  close_relay();
}

static void check_first_message(bool checksum, bool compress) {
  open_relay(checksum, compress);
  check_one_message(1);
}

TEST(the_first_message_may_overtake) { check_first_message(false, false); }
TEST(the_first_message_may_overtake_with_checksum) { check_first_message(true, false); }
TEST(the_first_message_may_overtake_with_compression) { check_first_message(true, true); }

TEST(an_unreliable_first_message_may_overtake) {
  open_relay(false, false);
  check_one_message(0);
}

TEST(the_acknowledgement_may_be_lost) {
  open_relay(false, false);
  relay.count = 0;
  check_one_message(1);
}

static void check_burst(bool checksum, bool compress) {
  enum { LARGE = 40000, SMALL = 200, SMALL_BYTES = 100 }; /* ENet's first window has room for all */
  open_relay(checksum, compress);
  send_bytes(LARGE, 1);
  for (int i = 0; i < SMALL; i++) send_bytes(SMALL_BYTES, 1);
  flush();
  gather();
  if (!compress) CHECK(relay.count > LARGE / 1400);
  pass_in_reverse();
  CHECK_EQ_INT(relay.receives, 1 + SMALL);
  CHECK_EQ_INT(relay.received_bytes, LARGE + SMALL * SMALL_BYTES);
  settle();
  close_relay();
}

TEST(every_datagram_of_a_burst_may_overtake) { check_burst(false, false); }
TEST(every_datagram_of_a_burst_may_overtake_with_checksum) { check_burst(true, false); }
TEST(every_datagram_of_a_burst_may_overtake_with_compression) { check_burst(true, true); }

TEST(datagrams_of_many_flushes_may_overtake) {
  enum { FLUSHES = 100 };
  open_relay(false, false);
  for (int i = 0; i < FLUSHES; i++) {
    send_bytes(50, 1);
    flush();
  }
  pass_in_reverse();
  CHECK_EQ_INT(relay.receives, FLUSHES);
  settle();
  close_relay();
}

TEST(a_disconnect_may_overtake) {
  open_relay(false, false);
  CHECK_EQ_INT(enetjs_peer_disconnect(relay.client.host, relay.peer, 0, ENETJS_DISCONNECT), 0);
  flush();
  pass_in_reverse();
  CHECK_EQ_INT(relay.connects, 1);
  CHECK_EQ_INT(relay.disconnects, 1);
  UNTIL(relay.client.disconnects == 1, (pass_back(), consumer_poll(&relay.client)));
  CHECK_EQ_INT(relay.client.last.extra, ENETJS_REASON_LOCAL);
  close_relay();
}

TEST(nothing_is_sent_for_the_acknowledgement_alone) {
  open_relay(false, false);
  relay.count = 0;
  for (int i = 0; i < 20; i++) {
    consumer_poll(&relay.client);
    flush();
  }
  gather();
  CHECK_EQ_INT(relay.count, 0);
  close_relay();
}

TEST(a_connection_that_is_confirmed_repeats_nothing) {
  open_relay(false, false);
  settle();
  gather();
  CHECK_EQ_INT(relay.count, 0);
  send_bytes(100, 1);
  flush();
  gather();
  CHECK_EQ_INT(relay.count, 1);
  CHECK_EQ_INT(relay.datagram[0].length, sizeof(ENetProtocolHeader) + sizeof(ENetProtocolSendReliable) + 100);
  close_relay();
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(the_first_message_may_overtake),
      TEST_CASE(the_first_message_may_overtake_with_checksum),
      TEST_CASE(the_first_message_may_overtake_with_compression),
      TEST_CASE(an_unreliable_first_message_may_overtake),
      TEST_CASE(the_acknowledgement_may_be_lost),
      TEST_CASE(every_datagram_of_a_burst_may_overtake),
      TEST_CASE(every_datagram_of_a_burst_may_overtake_with_checksum),
      TEST_CASE(every_datagram_of_a_burst_may_overtake_with_compression),
      TEST_CASE(datagrams_of_many_flushes_may_overtake),
      TEST_CASE(a_disconnect_may_overtake),
      TEST_CASE(nothing_is_sent_for_the_acknowledgement_alone),
      TEST_CASE(a_connection_that_is_confirmed_repeats_nothing),
  };
  if (enetjs_host_initialize() < 0) return EXIT_FAILURE; /* before plain ENet allocates */
  return test_run(cases, TEST_COUNT(cases));
}
