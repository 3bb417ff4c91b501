/*
 * Datagrams that no ENet would send: random ones, and those of a real connection that a relay in its
 * middle damages, repeats, mixes and answers with inventions. The host must survive all of them, and
 * serve the next client that asks.
 */
#include "../consumer.h"

#define ATTACKS (20000 / SLOW) /* on each of the two hosts, with and without guards */
#define BATCH 16               /* between services */
#define CAPTURED 256
#define DATAGRAM_BYTES 4096

enum direction { TO_SERVER, TO_CLIENT };

struct datagram {
  size_t length;
  uint8_t bytes[DATAGRAM_BYTES];
};

/* Sits between a client and a server, and attacks both from addresses that they know. */
struct relay {
  ENetSocket front, back;
  uint16_t front_port, back_port, client_port, server_port;
  struct datagram captured[CAPTURED];
  size_t count;
  uint32_t header[2]; /* peer id and session of the connection, to the server and to the client */
  bool checksum;
  uint32_t connect_id;
  uint64_t random;
};

static uint32_t below(struct relay *r, uint32_t limit) { return test_random_below(&r->random, limit); }

static void relay_open(struct relay *r, const struct consumer *server) {
  r->front = socket_open(&r->front_port);
  r->back = socket_open(&r->back_port);
  r->server_port = port_of(server);
}

static void relay_close(struct relay *r) {
  enet_socket_destroy(r->front);
  enet_socket_destroy(r->back);
}

static void capture(struct relay *r, enum direction direction, const uint8_t *bytes, size_t length) {
  struct datagram *d = &r->captured[r->count < CAPTURED ? r->count++ : below(r, CAPTURED)];
  uint32_t header = ((uint32_t)bytes[0] << 8 | bytes[1]) & 0x3FFF;
  if (header % 4096 != ENET_PROTOCOL_MAXIMUM_PEER_ID) r->header[direction] = header;
  d->length = length;
  memcpy(d->bytes, bytes, length);
}

static void relay_forward(struct relay *r) {
  uint8_t bytes[DATAGRAM_BYTES];
  uint16_t port;
  int length;
  while ((length = socket_receive(r->front, &port, bytes, sizeof(bytes))) > 0) {
    r->client_port = port;
    capture(r, TO_SERVER, bytes, (size_t)length);
    socket_send(r->back, r->server_port, bytes, (size_t)length);
  }
  while ((length = socket_receive(r->back, &port, bytes, sizeof(bytes))) > 0) {
    capture(r, TO_CLIENT, bytes, (size_t)length);
    if (r->client_port) socket_send(r->front, r->client_port, bytes, (size_t)length);
  }
}

/* ---- Inventions ------------------------------------------------------------------------------ */

static void random_bytes(struct relay *r, uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) bytes[i] = (uint8_t)below(r, 256);
}

static void put_16(uint8_t *bytes, uint32_t value) {
  bytes[0] = (uint8_t)(value >> 8);
  bytes[1] = (uint8_t)value;
}

static size_t header_bytes(const struct relay *r, const struct datagram *d) {
  size_t length = d->length > 0 && d->bytes[0] & 0x80 ? 4 : 2; /* ENET_PROTOCOL_HEADER_FLAG_SENT_TIME */
  return length + (r->checksum ? 4 : 0);
}

/* So that what is damaged is not turned away at the door. */
static void mend_checksum(struct relay *r, struct datagram *d) {
  size_t header = header_bytes(r, d);
  bool to_peer = ((uint32_t)d->bytes[0] << 8 | d->bytes[1]) % 4096 != ENET_PROTOCOL_MAXIMUM_PEER_ID;
  uint32_t sum = to_peer ? r->connect_id : 0;
  ENetBuffer buffer;
  if (!r->checksum || d->length < header || d->bytes[0] & 0x40) return; /* compressed: of other bytes */
  memcpy(d->bytes + header - 4, &sum, 4);
  buffer.data = d->bytes;
  buffer.dataLength = d->length;
  sum = enet_crc32(&buffer, 1);
  memcpy(d->bytes + header - 4, &sum, 4);
}

/* Small, near a power of two, or anything. */
static uint32_t number(struct relay *r) {
  switch (below(r, 4)) {
    case 0: return below(r, 4);
    case 1: return below(r, 2000);
    case 2: return (1u << below(r, 32)) - below(r, 3);
    default: return test_random_u32(&r->random);
  }
}

static size_t invent_command(struct relay *r, uint8_t *out) {
  uint32_t command = below(r, 16), length = 4 + below(r, 44);
  random_bytes(r, out, length);
  out[0] = (uint8_t)(command | below(r, 4) << 6);
  out[1] = (uint8_t)(below(r, 3) == 0 ? 0xFF : below(r, 4)); /* channel */
  for (uint32_t at = 2; at + 4 <= length; at += 4) {
    uint32_t value = number(r);
    put_16(out + at, value >> 16);
    put_16(out + at + 2, value);
  }
  put_16(out + 2, number(r)); /* sequence number */
  if (command == ENET_PROTOCOL_COMMAND_DISCONNECT && below(r, 50) > 0) out[0] = ENET_PROTOCOL_COMMAND_PING;
  if (command == ENET_PROTOCOL_COMMAND_CONNECT && below(r, 10) > 0)
    out[0] = ENET_PROTOCOL_COMMAND_ACKNOWLEDGE;
  return length;
}

static void invent(struct relay *r, struct datagram *d) {
  uint32_t commands = 1 + below(r, 4), peer = below(r, 8) == 0 ? ENET_PROTOCOL_MAXIMUM_PEER_ID : below(r, 3);
  put_16(d->bytes, peer | below(r, 4) << 12 | (below(r, 8) > 0) << 15 | (below(r, 10) == 0) << 14);
  d->length = 2;
  d->length = header_bytes(r, d);
  while (commands-- > 0) d->length += invent_command(r, d->bytes + d->length);
}

static void mutate(struct relay *r, struct datagram *d) {
  uint32_t changes = 1 + below(r, 4);
  *d = r->captured[below(r, (uint32_t)r->count)];
  while (changes-- > 0) {
    const struct datagram *other = &r->captured[below(r, (uint32_t)r->count)];
    size_t at = d->length ? below(r, (uint32_t)d->length) : 0, length = below(r, 64);
    switch (below(r, 6)) {
      case 0:
      case 1:
        if (d->length) d->bytes[at] ^= (uint8_t)(1 << below(r, 8));
        break;
      case 2: d->length = at; break;
      case 3:
        if (d->length + length > DATAGRAM_BYTES) break;
        random_bytes(r, d->bytes + d->length, length);
        d->length += length;
        break;
      case 4: /* the beginning of one, the end of another */
        if (other->length <= at) break;
        memcpy(d->bytes + at, other->bytes + at, other->length - at);
        d->length = other->length;
        break;
      default:
        if (d->length >= at + 2) put_16(d->bytes + at, number(r));
    }
  }
}

/* So that it is taken for one of the connection. */
static void address(const struct relay *r, enum direction direction, struct datagram *d) {
  if (d->length >= 2) put_16(d->bytes, ((uint32_t)d->bytes[0] << 8 & 0xC000) | r->header[direction]);
}

static void make_attack(struct relay *r, enum direction direction, struct datagram *d) {
  switch (below(r, 8)) {
    case 0:
      d->length = below(r, below(r, 20) == 0 ? DATAGRAM_BYTES : 100);
      random_bytes(r, d->bytes, d->length);
      return;
    case 1: *d = r->captured[below(r, (uint32_t)r->count)]; return;
    case 2:
    case 3: invent(r, d); break;
    case 4: /* not what the range coder made */
      invent(r, d);
      d->bytes[0] |= 0x40;
      break;
    default: mutate(r, d);
  }
  if (below(r, 4) > 0) address(r, direction, d);
  if (below(r, 4) > 0) mend_checksum(r, d);
}

/* ---- The hosts ------------------------------------------------------------------------------- */

static void take(struct consumer *c, const struct record *r) {
  (void)c;
  if (r->type == ENETJS_EVENT_PACKET) CHECK_EQ_INT(enetjs_packet_release(packet_of(r)), 0);
}

/* Answers every sender, as far as possible: the answers are captured, too. */
static void answer(struct consumer *c, const struct record *r) {
  take(c, r);
  if (r->type == ENETJS_EVENT_RECEIVE && r->length < 5000)
    enetjs_peer_send_buffer(c->host, r->peer, r->channel, r->flags, r->payload, r->length, 1 + r->length);
}

static void send_mixture(struct consumer *c, double peer, uint32_t turn) {
  static const uint32_t kinds[] = {1, 0, 2, 8, 1};
  static uint8_t bytes[4000];
  payload_fill(bytes, sizeof(bytes), turn);
  enetjs_peer_send_buffer(c->host, peer, turn % 2, kinds[turn % 5], bytes, turn % 7 == 0 ? 4000 : turn % 90,
                          0);
}

/* A client of its own, straight to the server. */
static void check_usable(struct consumer *server, const struct consumer *like) {
  struct consumer client;
  double peer;
  unsigned before = 0;
  consumer_start(&client);
  memcpy(client.config, like->config, sizeof(client.config));
  consumer_open(&client);
  peer = enetjs_host_connect(client.host, LOOPBACK, port_of(server), 2, 0);
  CHECK(peer > 0);
  UNTIL(client.connects == 1, poll_both(&client, server));
  CHECK_EQ_INT(send_text(&client, peer, 1, "still there?", 0), 0);
  UNTIL(client.receives > before, poll_both(&client, server));
  CHECK_EQ_INT(client.last.length, 12);
  CHECK(memcmp(client.last.payload, "still there?", 12) == 0);
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 0, ENETJS_DISCONNECT), 0);
  UNTIL(client.closed == 1, poll_both(&client, server));
  consumer_close(&client);
}

/*
 * The relay's own connection may not survive what is done to it: another one, from new addresses,
 * which nothing on its way from the former ones reaches.
 */
static double renew(struct relay *r, struct consumer *client, struct consumer *server, double peer) {
  struct enetjs_host *h = host_of(client);
  unsigned before;
  if (peer > 0 && enetjs_peer_state(client->host, peer) >= 0)
    CHECK_EQ_INT(enetjs_peer_reset(client->host, peer), 0);
  enetjs_peer_reset(server->host, server->peer);
  relay_close(r);
  relay_open(r, server);
  before = client->connects;
  peer = enetjs_host_connect(client->host, LOOPBACK, r->front_port, 2, 0);
  CHECK(peer > 0);
  UNTIL(client->connects > before, (relay_forward(r), poll_both(client, server)));
  enetjs_mutex_lock(&h->lock);
  r->connect_id = h->enet->peers[(uint32_t)fmod(peer, ENETJS_PEER_SLOTS)].connectID;
  enetjs_mutex_unlock(&h->lock);
  for (uint32_t turn = 0; turn < 6; turn++) {
    send_mixture(client, peer, turn);
    poll_both(client, server);
    relay_forward(r);
  }
  return peer;
}

static bool connected(const struct consumer *c, double peer) {
  return enetjs_peer_state(c->host, peer) == ENET_PEER_STATE_CONNECTED;
}

static void attack(struct relay *r, struct consumer *client, struct consumer *server) {
  struct datagram *d = malloc(sizeof(*d));
  double peer = renew(r, client, server, 0);
  CHECK(d != NULL);
  for (uint32_t i = 0; i < ATTACKS; i++) {
    make_attack(r, TO_SERVER, d);
    socket_send(r->back, r->server_port, d->bytes, d->length);
    make_attack(r, TO_CLIENT, d);
    socket_send(r->front, r->client_port, d->bytes, d->length);
    if (i % BATCH > 0) continue;
    send_mixture(client, peer, i / BATCH);
    poll_both(client, server);
    relay_forward(r);
    if (!connected(client, peer) || !connected(server, server->peer)) peer = renew(r, client, server, peer);
  }
  free(d);
}

static void check_survival(double compression, double checksum, bool guarded) {
  static const uint32_t rules[6] = {LOOPBACK, LOOPBACK, 1, 0x0A000000u, 0x0AFFFFFFu, 0};
  static struct relay relay;
  struct consumer server, client;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_COMPRESSION] = compression;
  server.config[ENETJS_CONFIG_CHECKSUM] = checksum;
  server.config[ENETJS_CONFIG_DATAGRAMS] = guarded;
  server.config[ENETJS_CONFIG_PEERS] = 500; /* attacks take many of them */
  server.config[ENETJS_CONFIG_MAXIMUM_PACKET_SIZE] = 1 << 20;
  server.config[ENETJS_CONFIG_MAXIMUM_WAITING_DATA] = 4 << 20;
  server.config[ENETJS_CONFIG_RECEIVE_BUFFER] = 1 << 20;
  server.config[ENETJS_CONFIG_EVENT_CAPACITY] = 64;
  server.config[ENETJS_CONFIG_ARENA_BYTES] = 16384;
  client = server;
  client.config[ENETJS_CONFIG_ADDRESS] = -1;
  client.config[ENETJS_CONFIG_PEERS] = 8;
  server.on_event = answer;
  client.on_event = take;
  consumer_open(&server);
  consumer_open(&client);
  if (guarded) CHECK_EQ_INT(enetjs_host_set_filter(server.host, (const uint8_t *)rules, sizeof(rules)), 0);
  memset(&relay, 0, sizeof(relay));
  relay.random = 1;
  relay_open(&relay, &server);
  relay.checksum = checksum != 0;
  attack(&relay, &client, &server);
  CHECK(statistic(&server, ENETJS_HOST_STAT_RECEIVED_PACKETS) > ATTACKS * 0.9);
  CHECK(statistic(&client, ENETJS_HOST_STAT_RECEIVED_PACKETS) > ATTACKS * 0.9);
  if (guarded) CHECK(server.datagrams > 1000 && client.datagrams > 1000);
  check_usable(&server, &client);
  CHECK_EQ_INT(server.failures + client.failures, 0);
  relay_close(&relay);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(malformed_datagrams_to_plain_hosts) { check_survival(0, 0, false); }
TEST(malformed_datagrams_to_plain_guarded_hosts) { check_survival(0, 0, true); }
TEST(malformed_datagrams_to_hosts_with_checksums) { check_survival(0, 1, false); }
TEST(malformed_datagrams_to_guarded_hosts_with_checksums) { check_survival(0, 1, true); }
TEST(malformed_datagrams_to_hosts_with_compression) { check_survival(1, 0, false); }
TEST(malformed_datagrams_to_guarded_hosts_with_compression) { check_survival(1, 0, true); }

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(malformed_datagrams_to_plain_hosts),
      TEST_CASE(malformed_datagrams_to_plain_guarded_hosts),
      TEST_CASE(malformed_datagrams_to_hosts_with_checksums),
      TEST_CASE(malformed_datagrams_to_guarded_hosts_with_checksums),
      TEST_CASE(malformed_datagrams_to_hosts_with_compression),
      TEST_CASE(malformed_datagrams_to_guarded_hosts_with_compression),
  };
  return test_run(cases, TEST_COUNT(cases));
}
