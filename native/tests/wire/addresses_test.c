/* The address map: numbers in place of IPv6 addresses, in itself and in a host whose datagrams come from anywhere. */
#include "../consumer.h"
#include "wire/addresses.h"
#include "wire/socket.h"

#define PEERS 20
#define LARGEST (2 * PEERS + 16)
#define NETWORK 0x20010DB800000000u

static ENetHost *enet_of(size_t peers) {
  ENetHost *enet;
  CHECK_EQ_INT(enetjs_host_initialize(), 0);
  enet = enet_host_create(NULL, peers, 1, 0, 0);
  CHECK(enet != NULL);
  return enet;
}

static struct enetjs_endpoint endpoint_of(uint64_t high, uint64_t low, uint32_t scope, uint16_t port) {
  struct enetjs_endpoint endpoint = {high, low, scope, port};
  return endpoint;
}

static uint32_t number_of(const ENetAddress *address) { return ENET_NET_TO_HOST_32(address->host); }

static ENetAddress give(struct enetjs_addresses *map, uint64_t low, uint16_t port) {
  struct enetjs_endpoint endpoint = endpoint_of(NETWORK, low, 0, port);
  return enetjs_addresses_give(map, &endpoint);
}

static bool stands_for(struct enetjs_addresses *map, const ENetAddress *address, uint64_t low) {
  struct enetjs_endpoint real = enetjs_addresses_real(map, address);
  return real.high == NETWORK && real.low == low && real.port == address->port;
}

/* ---- The map --------------------------------------------------------------------------------- */

TEST(an_address_has_one_number_and_keeps_its_ports) {
  ENetHost *enet = enet_of(PEERS);
  struct enetjs_addresses *map = enetjs_addresses_create(enet);
  struct enetjs_endpoint zone1 = endpoint_of(0xFE80000000000000u, 1, 1, 7), zone2 = zone1;
  ENetAddress a = give(map, 1, 7), again = give(map, 1, 8), other = give(map, 2, 7), first, second;
  CHECK(enetjs_address_is_virtual(&a) && enetjs_address_is_virtual(&other));
  CHECK(a.host == again.host && a.host != other.host);
  CHECK(a.port == 7 && again.port == 8);
  CHECK(stands_for(map, &a, 1) && stands_for(map, &again, 1) && stands_for(map, &other, 2));
  zone2.scope = 2;
  first = enetjs_addresses_give(map, &zone1);
  second = enetjs_addresses_give(map, &zone2);
  CHECK(first.host != second.host);
  CHECK_EQ_INT(enetjs_addresses_real(map, &second).scope, 2);
  CHECK_EQ_INT(enetjs_addresses_count(map), 4);
  enetjs_addresses_destroy(map);
  enet_host_destroy(enet);
}

TEST(ipv4_addresses_are_what_they_are) {
  ENetHost *enet = enet_of(PEERS);
  struct enetjs_addresses *map = enetjs_addresses_create(enet);
  struct enetjs_endpoint loopback = enetjs_endpoint_of_ipv4(LOOPBACK, 9), broadcast = enetjs_endpoint_of_ipv4(UINT32_MAX, 9);
  ENetAddress with = enetjs_addresses_arrive(map, &loopback), without = enetjs_addresses_arrive(NULL, &loopback);
  ENetAddress all = enetjs_addresses_give(map, &broadcast);
  CHECK(number_of(&with) == LOOPBACK && number_of(&without) == LOOPBACK && with.port == 9);
  CHECK(all.host == ENET_HOST_BROADCAST && !enetjs_address_is_virtual(&all));
  CHECK(enetjs_endpoint_ipv4(&broadcast) == UINT32_MAX);
  CHECK_EQ_INT(enetjs_addresses_count(map), 0);
  CHECK_EQ_INT(enetjs_addresses_count(NULL), 0);
  enetjs_addresses_destroy(map);
  enetjs_addresses_destroy(NULL);
  enet_host_destroy(enet);
}

TEST(strangers_take_no_number) {
  ENetHost *enet = enet_of(PEERS);
  struct enetjs_addresses *map = enetjs_addresses_create(enet);
  ENetAddress known = give(map, 5, 1);
  for (uint64_t low = 100; low < 100000; low++) {
    struct enetjs_endpoint from = endpoint_of(NETWORK, low, 0, 1);
    ENetAddress shown = enetjs_addresses_arrive(map, &from);
    CHECK(number_of(&shown) == ENETJS_STRANGER);
    if (low % 1000 == 0) CHECK(stands_for(map, &shown, low));
  }
  CHECK_EQ_INT(enetjs_addresses_count(map), 1);
  CHECK(stands_for(map, &known, 5));
  enetjs_addresses_destroy(map);
  enet_host_destroy(enet);
}

/* Many more addresses than there is room for, while some peers stay. */
TEST(the_table_is_bounded_and_peers_keep_their_numbers) {
  ENetHost *enet = enet_of(PEERS);
  struct enetjs_addresses *map = enetjs_addresses_create(enet);
  for (size_t i = 0; i < PEERS; i++) {
    enet->peers[i].address = give(map, i, 7);
    enet->peers[i].state = i % 2 ? ENET_PEER_STATE_CONNECTED : ENET_PEER_STATE_ZOMBIE;
  }
  for (uint64_t low = 1000; low < 200000; low++) {
    ENetAddress address = give(map, low, 7);
    CHECK(number_of(&address) > ENETJS_STRANGER && number_of(&address) < UINT32_MAX);
    CHECK(stands_for(map, &address, low));
    CHECK(enetjs_addresses_count(map) <= LARGEST);
  }
  for (size_t i = 0; i < PEERS; i++) {
    ENetAddress again = give(map, i, 7);
    CHECK(again.host == enet->peers[i].address.host);
    CHECK(stands_for(map, &again, i));
    enet->peers[i].state = ENET_PEER_STATE_DISCONNECTED;
  }
  enetjs_addresses_destroy(map);
  enet_host_destroy(enet);
}

TEST(a_number_of_a_peer_that_is_gone_is_nobodys) {
  ENetHost *enet = enet_of(PEERS);
  struct enetjs_addresses *map = enetjs_addresses_create(enet);
  ENetAddress gone = give(map, 1, 7);
  struct enetjs_endpoint real;
  for (uint64_t low = 1000; low < 1000 + LARGEST; low++) give(map, low, 7);
  real = enetjs_addresses_real(map, &gone);
  CHECK(real.high == 0 && real.low == 0);
  for (uint64_t low = 5000; low < 5000 + 100 * LARGEST; low++) CHECK(give(map, low, 7).host != gone.host);
  enetjs_addresses_destroy(map);
  enet_host_destroy(enet);
}

TEST(a_network_is_what_limits_count) {
  struct enetjs_endpoint a = endpoint_of(NETWORK, 1, 0, 1), b = endpoint_of(NETWORK, 2, 0, 2), c = endpoint_of(NETWORK + 1, 1, 0, 1);
  struct enetjs_endpoint link1 = endpoint_of(0xFE80000000000000u, 1, 1, 1), link2 = endpoint_of(0xFE80000000000000u, 1, 2, 1);
  struct enetjs_endpoint v4 = enetjs_endpoint_of_ipv4(LOOPBACK, 1), other_v4 = enetjs_endpoint_of_ipv4(LOOPBACK + 1, 1);
  CHECK(enetjs_endpoint_network(&a) == enetjs_endpoint_network(&b));
  CHECK(enetjs_endpoint_network(&a) != enetjs_endpoint_network(&c));
  CHECK(enetjs_endpoint_network(&link1) != enetjs_endpoint_network(&link2));
  CHECK(enetjs_endpoint_network(&v4) != enetjs_endpoint_network(&other_v4));
}

/* ---- In a host ------------------------------------------------------------------------------- */

#if defined(__linux__)

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the host receives comes from here, where it is set: a datagram of its own has a number in its last bytes. */
static struct {
  bool ipv6, ipv4;
  uint64_t high;
  uint32_t address;
} forged;

/* The system's own function, found first, so that sources can be forged without being root. */
ENETJS_API int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
  int received = (int)syscall(SYS_recvmmsg, fd, messages, count, flags, timeout);
  for (int i = 0; i < received; i++) {
    struct sockaddr_in6 *from = messages[i].msg_hdr.msg_name;
    uint64_t high = forged.high;
    if (forged.ipv6 && from->sin6_family == AF_INET6) {
      for (unsigned byte = 8; byte-- > 0; high >>= 8) from->sin6_addr.s6_addr[byte] = (uint8_t)high;
      memcpy(from->sin6_addr.s6_addr + 12, (uint8_t *)messages[i].msg_hdr.msg_iov->iov_base + messages[i].msg_len - 4, 4);
    }
    if (forged.ipv4 && from->sin6_family == AF_INET6) {
      uint32_t address = htonl(forged.address);
      memcpy(from->sin6_addr.s6_addr + 12, &address, 4);
    } else if (forged.ipv4) {
      ((struct sockaddr_in *)(void *)from)->sin_addr.s_addr = htonl(forged.address);
    }
  }
  return received;
}

static bool ipv6_works(void) {
  struct sockaddr_in6 address = {0};
  int fd = socket(AF_INET6, SOCK_DGRAM, 0), result;
  if (enetjs_host_initialize() != 0 || enetjs_batch_arrives() <= 0) return false;
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  result = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof(address));
  if (fd >= 0) close(fd);
  if (result != 0) puts("# SKIPPED, because this machine has no IPv6 loopback address");
  return result == 0;
}

static void server_open6(struct consumer *c, double family) {
  consumer_start(c);
  c->config[ENETJS_CONFIG_ADDRESS] = 0;
  c->config[ENETJS_CONFIG_PORT] = 0;
  c->config[ENETJS_CONFIG_IPV6] = family;
  c->config[ENETJS_CONFIG_DATAGRAMS] = 1;
  consumer_open(c);
}

static void client_open6(struct consumer *c) {
  consumer_start(c);
  c->config[ENETJS_CONFIG_ADDRESS] = -1;
  c->config[ENETJS_CONFIG_IPV6] = ENETJS_IPV6_AUTO;
  consumer_open(c);
}

static void set_words(struct consumer *c, uint64_t high, uint64_t low) {
  _Atomic uint32_t *words = c->words + ENETJS_WORD_ENDPOINT;
  words[0] = (uint32_t)(high >> 32);
  words[1] = (uint32_t)high;
  words[2] = (uint32_t)(low >> 32);
  words[3] = (uint32_t)low;
  words[4] = 0;
}

static double connect6(struct consumer *client, uint16_t port) {
  set_words(client, 0, 1);
  return enetjs_host_connect(client->host, ENETJS_ENDPOINT, port, 1, 42);
}

static size_t numbers_of(const struct consumer *c) { return enetjs_addresses_count(host_of(c)->addresses); }

/* A socket that sends from ::1 to a port there. */
static int sender_open(uint16_t port, int family) {
  struct sockaddr_in6 to6 = {0};
  struct sockaddr_in to4 = {0};
  int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  to6.sin6_family = AF_INET6;
  to6.sin6_addr = in6addr_loopback;
  to4.sin_family = AF_INET;
  to4.sin_addr.s_addr = htonl(LOOPBACK);
  to6.sin6_port = to4.sin_port = htons(port);
  CHECK(fd >= 0);
  CHECK_EQ_INT(family == AF_INET6 ? connect(fd, (struct sockaddr *)&to6, sizeof(to6))
                                  : connect(fd, (struct sockaddr *)&to4, sizeof(to4)),
               0);
  return fd;
}

/* The connect id is the end of the datagram but for the data, and so the forged address is another for each. */
static size_t write_connect(uint8_t *bytes, uint32_t number) {
  uint16_t words[2] = {ENET_HOST_TO_NET_16(ENET_PROTOCOL_MAXIMUM_PEER_ID | ENET_PROTOCOL_HEADER_FLAG_SENT_TIME), 0};
  ENetProtocolConnect connect = {0};
  connect.header.command = ENET_PROTOCOL_COMMAND_CONNECT | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE;
  connect.header.channelID = 0xFF;
  connect.header.reliableSequenceNumber = ENET_HOST_TO_NET_16(1);
  connect.incomingSessionID = connect.outgoingSessionID = 0xFF;
  connect.mtu = ENET_HOST_TO_NET_32(1400);
  connect.windowSize = ENET_HOST_TO_NET_32(65536);
  connect.channelCount = ENET_HOST_TO_NET_32(1);
  connect.packetThrottleInterval = ENET_HOST_TO_NET_32(5000);
  connect.connectID = number;
  connect.data = number;
  memcpy(bytes, words, sizeof(words));
  memcpy(bytes + sizeof(words), &connect, sizeof(connect));
  return sizeof(words) + sizeof(connect);
}

static struct record endpoint_seen;
static unsigned endpoints_seen;
static void note_endpoint(struct consumer *c, const struct record *r) {
  (void)c;
  if ((r->type & 0xFF) != ENETJS_RECORD_ENDPOINT) return;
  endpoint_seen = *r;
  endpoints_seen++;
}

TEST(a_peer_is_told_with_its_real_address) {
  struct consumer server, client;
  if (!ipv6_works()) return;
  server_open6(&server, ENETJS_IPV6_DUAL);
  server.on_event = note_endpoint;
  endpoints_seen = 0;
  client_open6(&client);
  CHECK(connect6(&client, port_of(&server)) > 0);
  CHECK_EQ_INT(numbers_of(&client), 1);
  UNTIL(client.connects == 1 && server.connects == 1, poll_both(&client, &server));
  CHECK_EQ_INT(endpoints_seen, 1);
  CHECK_EQ_INT(endpoint_seen.data, 0);
  CHECK_EQ_INT(endpoint_seen.address, 1);
  CHECK_EQ_INT(numbers_of(&server), 1);
  /* Over the same socket, a peer of IPv4 needs none. */
  CHECK(enetjs_host_connect(client.host, LOOPBACK, port_of(&server), 1, 0) > 0);
  UNTIL(client.connects == 2 && server.connects == 2, poll_both(&client, &server));
  CHECK_EQ_INT(endpoints_seen, 1);
  CHECK_EQ_INT(numbers_of(&server), 1);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(a_flood_of_forged_addresses_takes_no_number) {
  struct consumer server, client;
  uint8_t bytes[128];
  unsigned sent = 0;
  int fd;
  if (!ipv6_works()) return;
  server_open6(&server, ENETJS_IPV6_DUAL);
  client_open6(&client);
  fd = sender_open(port_of(&server), AF_INET6);
  CHECK(connect6(&client, port_of(&server)) > 0);
  UNTIL(client.connects == 1 && server.connects == 1, poll_both(&client, &server));
  for (forged.high = NETWORK; sent < 20000 / SLOW; sent++) {
    size_t length = write_connect(bytes, sent);
    CHECK(send(fd, bytes, length, 0) == (ssize_t)length);
    if (sent % 100 < 99) continue;
    forged.ipv6 = true;
    consumer_poll(&server);
    forged.ipv6 = false;
  }
  CHECK(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN) > 1000);
  CHECK_EQ_INT(numbers_of(&server), 1);
  /* The peer is still the same one, and another one can come in. */
  CHECK(connect6(&client, port_of(&server)) > 0);
  UNTIL(client.connects == 2 && server.connects == 2, poll_both(&client, &server));
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_CONNECTED_PEERS), 2);
  close(fd);
  consumer_close(&client);
  consumer_close(&server);
}

/* They would look like numbers. */
TEST(ipv4_datagrams_from_240_are_dropped) {
  static const uint32_t addresses[] = {0xF0000000u, 0xF0004001u, 0xFFFFFFFEu, 0xFFFFFFFFu};
  for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
    struct consumer server;
    int fd;
    if (!ipv6_works()) return;
    server_open6(&server, ipv6 ? ENETJS_IPV6_DUAL : ENETJS_IPV6_NONE);
    fd = sender_open(port_of(&server), AF_INET);
    for (unsigned i = 0; i < 4; i++) {
      forged.address = addresses[i];
      CHECK(send(fd, "hello", 5, 0) == 5);
      forged.ipv4 = true;
      UNTIL(statistic(&server, ENETJS_HOST_STAT_SOCKET_ERRORS) == i + 1, consumer_poll(&server));
      forged.ipv4 = false;
    }
    CHECK(send(fd, "hello", 5, 0) == 5);
    UNTIL(server.datagrams == 1, consumer_poll(&server));
    close(fd);
    consumer_close(&server);
  }
}

TEST(the_mtu_of_ipv6_is_lower) {
  struct consumer server, client;
  double peer;
  if (!ipv6_works()) return;
  for (unsigned set = 0; set < 2; set++) {
    server_open6(&server, ENETJS_IPV6_DUAL);
    client_open6(&client);
    for (struct consumer *c = &server;; c = &client) {
      CHECK_EQ_INT(enetjs_host_set(c->host, ENETJS_CONFIG_MTU, set ? 1300 : ENETJS_DEFAULT_MTU, 0), 0);
      if (c == &client) break;
    }
    peer = connect6(&client, port_of(&server));
    UNTIL(client.connects == 1 && server.connects == 1, poll_both(&client, &server));
    CHECK_EQ_INT(peer_statistic(&client, peer, ENETJS_PEER_STAT_MTU), set ? 1300 : ENETJS_IPV6_MTU);
    consumer_close(&client);
    consumer_close(&server);
  }
}

TEST(a_socket_of_one_family_reaches_no_other) {
  struct consumer only, plain;
  if (!ipv6_works()) return;
  server_open6(&only, ENETJS_IPV6_ONLY);
  server_open6(&plain, ENETJS_IPV6_NONE);
  CHECK_EQ_INT(enetjs_host_reaches(only.host), ENETJS_REACHES_IPV6);
  CHECK_EQ_INT(enetjs_host_reaches(plain.host), ENETJS_REACHES_IPV4);
  CHECK_EQ_INT(enetjs_host_connect(only.host, LOOPBACK, 9, 1, 0), ENETJS_ERR_ADDRESS_FAMILY);
  CHECK_EQ_INT(connect6(&plain, 9), ENETJS_ERR_ADDRESS_FAMILY);
  CHECK_EQ_INT(enetjs_host_connect(only.host, 0xF0000001u, 9, 1, 0), ENETJS_ERR_ARGUMENT);
  CHECK(host_of(&plain)->addresses == NULL);
  consumer_close(&only);
  consumer_close(&plain);
}

#else

TEST(a_socket_of_one_family_reaches_no_other) {}

#endif

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(an_address_has_one_number_and_keeps_its_ports),
      TEST_CASE(ipv4_addresses_are_what_they_are),
      TEST_CASE(strangers_take_no_number),
      TEST_CASE(the_table_is_bounded_and_peers_keep_their_numbers),
      TEST_CASE(a_number_of_a_peer_that_is_gone_is_nobodys),
      TEST_CASE(a_network_is_what_limits_count),
#if defined(__linux__)
      TEST_CASE(a_peer_is_told_with_its_real_address),
      TEST_CASE(a_flood_of_forged_addresses_takes_no_number),
      TEST_CASE(ipv4_datagrams_from_240_are_dropped),
      TEST_CASE(the_mtu_of_ipv6_is_lower),
#endif
      TEST_CASE(a_socket_of_one_family_reaches_no_other),
  };
  return test_run(cases, TEST_COUNT(cases));
}
