/* A host with an IPv6 socket, which IPv4 and IPv6 addresses reach. */
#include "../consumer.h"

#if defined(__linux__)

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wire/addresses.h"
#include "wire/socket.h"

#define NETWORK 0x20010DB800000000u

/*
 * What the host receives comes from here, where it is set. With `ipv6`, each datagram comes from another
 * address: its last bytes are a number.
 */
static struct {
  bool ipv6, ipv4, port_0;
  uint64_t high;
  uint32_t address;
} forged;

/* ::1 with a port stands for another address, there and back. */
static struct {
  uint16_t port;
  uint64_t high, low;
} moved[64];

static void write_address(struct sockaddr_in6 *to, uint64_t high, uint64_t low) {
  for (unsigned byte = 8; byte-- > 0; high >>= 8, low >>= 8) {
    to->sin6_addr.s6_addr[byte] = (uint8_t)high;
    to->sin6_addr.s6_addr[byte + 8] = (uint8_t)low;
  }
}

static void move(struct sockaddr_in6 *address, bool back) {
  for (size_t i = 0; address->sin6_family == AF_INET6 && i < sizeof(moved) / sizeof(moved[0]); i++)
    if (moved[i].port != 0 && address->sin6_port == htons(moved[i].port))
      write_address(address, back ? 0 : moved[i].high, back ? 1 : moved[i].low);
}

static void forge(struct sockaddr_in6 *from, const struct mmsghdr *message) {
  uint32_t low, address = htonl(forged.address);
  memcpy(&low, (uint8_t *)message->msg_hdr.msg_iov->iov_base + message->msg_len - sizeof(low), sizeof(low));
  if (forged.ipv6 && from->sin6_family == AF_INET6) write_address(from, forged.high, low);
  if (forged.ipv4 && from->sin6_family == AF_INET6)
    memcpy(from->sin6_addr.s6_addr + 12, &address, sizeof(address));
  if (forged.ipv4 && from->sin6_family == AF_INET)
    ((struct sockaddr_in *)(void *)from)->sin_addr.s_addr = address;
  if (forged.port_0) from->sin6_port = 0; /* which is that of IPv4, too */
}

/* The system's own functions, found first, so that addresses can be forged without being root. */
ENETJS_API int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                        struct timespec *timeout) {
  int received = (int)syscall(SYS_recvmmsg, fd, messages, count, flags, timeout);
  for (int i = 0; i < received; i++) {
    move(messages[i].msg_hdr.msg_name, false);
    forge(messages[i].msg_hdr.msg_name, &messages[i]);
  }
  return received;
}

ENETJS_API int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  for (unsigned i = 0; i < count; i++) move(messages[i].msg_hdr.msg_name, true);
  return (int)syscall(SYS_sendmmsg, fd, messages, count, flags);
}

static bool ipv6_works(void) {
  struct sockaddr_in6 address = {0};
  int fd = socket(AF_INET6, SOCK_DGRAM, 0), result;
  if (enetjs_host_initialize() != 0 || enetjs_batch_arrives() <= 0) return false;
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  result = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof(address));
  if (fd >= 0) close(fd);
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

/*
 * The connect id is the end of the datagram but for the data, and so the forged address is another for each.
 */
static size_t write_connect(uint8_t *bytes, uint32_t number) {
  uint16_t words[2] = {
      ENET_HOST_TO_NET_16(ENET_PROTOCOL_MAXIMUM_PEER_ID | ENET_PROTOCOL_HEADER_FLAG_SENT_TIME), 0};
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

/* A client that the server sees at an address. */
static void client_open_at(struct consumer *c, size_t index, uint64_t high, uint64_t low) {
  client_open6(c);
  set_words(c, 0, 1);
  /* Its first datagram gives it a port. */
  CHECK(enetjs_host_send_datagram(c->host, ENETJS_ENDPOINT, 9, c->words[ENETJS_WORD_SCRATCH_OFFSET], 1) == 1);
  moved[index].port = port_of(c);
  moved[index].high = high;
  moved[index].low = low;
}

/* Its last datagrams, which the server still has to read, come from there, too. */
static void client_close_at(struct consumer *c, size_t index, struct consumer *server) {
  unsigned disconnects = server->disconnects + (c->connects > 0);
  consumer_close(c);
  UNTIL(server->disconnects == disconnects, consumer_poll(server));
  moved[index].port = 0;
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

/* With peers of one /64, of another one, and one that stays among many that come and go. */
TEST(peers_of_a_64_count_together) {
  struct consumer server, client[3];
  server_open6(&server, ENETJS_IPV6_DUAL);
  CHECK_EQ_INT(enetjs_host_set(server.host, ENETJS_CONFIG_DUPLICATE_PEERS, 1, 0), 0);
  server.on_event = note_endpoint;
  client_open_at(&client[0], 0, NETWORK, 1);
  client_open_at(&client[1], 1, NETWORK, 2);
  client_open_at(&client[2], 2, NETWORK + 1, 1);
  CHECK(connect6(&client[0], port_of(&server)) > 0);
  UNTIL(client[0].connects == 1 && server.connects == 1, poll_both(&client[0], &server));
  CHECK(endpoint_seen.data == NETWORK >> 32 && endpoint_seen.address == 1);
  CHECK(connect6(&client[1], port_of(&server)) > 0);
  UNTIL(client[1].closed == 1, poll_both(&client[1], &server));
  CHECK_EQ_INT(client[1].last_completion.data, ENETJS_CODE_DUPLICATE);
  CHECK(connect6(&client[2], port_of(&server)) > 0);
  UNTIL(client[2].connects == 1 && server.connects == 2, poll_both(&client[2], &server));
  CHECK_EQ_INT(numbers_of(&server), 2);
  for (size_t i = 0; i < 3; i++) client_close_at(&client[i], i, &server);
  consumer_close(&server);
}

/* More addresses than the table has room for. */
TEST(numbers_of_peers_that_have_gone_are_free_again) {
  struct consumer server, stays, passer;
  double peer;
  unsigned delivered = 0;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_ADDRESS] = 0;
  server.config[ENETJS_CONFIG_PEERS] = 2;
  server.config[ENETJS_CONFIG_IPV6] = ENETJS_IPV6_DUAL;
  consumer_open(&server);
  server.on_event = note_endpoint;
  client_open_at(&stays, 0, NETWORK, 1);
  peer = connect6(&stays, port_of(&server));
  UNTIL(stays.connects == 1 && server.connects == 1, poll_both(&stays, &server));
  for (uint64_t low = 100; low < 150; low++) {
    unsigned connects = server.connects;
    client_open_at(&passer, 1, NETWORK + low % 3, low);
    CHECK(connect6(&passer, port_of(&server)) > 0);
    UNTIL(passer.connects == 1 && server.connects > connects, poll_both(&passer, &server));
    CHECK_EQ_INT(endpoint_seen.address, low);
    CHECK_EQ_INT(endpoint_seen.length, low % 3);
    CHECK_EQ_INT(send_text(&stays, peer, ENET_PACKET_FLAG_RELIABLE, "hello", ++delivered), 0);
    UNTIL(stays.delivered == delivered && server.receives == delivered, poll_both(&stays, &server));
    client_close_at(&passer, 1, &server);
    CHECK(numbers_of(&server) <= 2 * 2 + 16);
  }
  client_close_at(&stays, 0, &server);
  consumer_close(&server);
}

TEST(datagrams_of_a_64_share_a_limit_and_have_an_address_each) {
  struct consumer server;
  double rules[2 * ENETJS_LIMIT_COUNT] = {0};
  int fd;
  server_open6(&server, ENETJS_IPV6_DUAL);
  server.on_event = note_endpoint;
  rules[2 * ENETJS_LIMIT_DATAGRAMS] = 0.01;
  rules[2 * ENETJS_LIMIT_DATAGRAMS + 1] = 5;
  CHECK_EQ_INT(enetjs_host_set_limits(server.host, (const uint8_t *)rules, sizeof(rules), 0), 0);
  fd = sender_open(port_of(&server), AF_INET6);
  for (uint32_t number = 0; number < 30; number++) {
    double read = statistic(&server, ENETJS_HOST_STAT_RECEIVED_PACKETS);
    unsigned datagrams = server.datagrams;
    CHECK(send(fd, &number, sizeof(number), 0) == sizeof(number));
    forged.high = NETWORK + number % 2;
    forged.ipv6 = true;
    UNTIL(statistic(&server, ENETJS_HOST_STAT_RECEIVED_PACKETS) > read, consumer_poll(&server));
    forged.ipv6 = false;
    if (server.datagrams == datagrams) continue;
    CHECK_EQ_INT(endpoint_seen.address, number);
    CHECK_EQ_INT(endpoint_seen.length, number % 2);
  }
  CHECK_EQ_INT(server.datagrams, 10);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_LIMITED_DATAGRAMS), 20);
  CHECK_EQ_INT(numbers_of(&server), 0);
  close(fd);
  consumer_close(&server);
}

/* A host whose places are taken: an attempt that another one has beaten gives up its own. */
TEST(an_abandoned_attempt_keeps_no_place_from_another_one) {
  struct consumer server, client;
  double slow;
  server_open6(&server, ENETJS_IPV6_DUAL);
  consumer_start(&client);
  client.config[ENETJS_CONFIG_ADDRESS] = -1;
  client.config[ENETJS_CONFIG_PEERS] = 1;
  client.config[ENETJS_CONFIG_IPV6] = ENETJS_IPV6_AUTO;
  consumer_open(&client);
  slow = connect6(&client, 9);
  CHECK(slow > 0);
  CHECK_EQ_INT(connect6(&client, port_of(&server)), ENETJS_ERR_PEERS_EXHAUSTED);
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, slow, 0, ENETJS_DISCONNECT_ABANDON), 0);
  CHECK(connect6(&client, port_of(&server)) > 0);
  UNTIL(client.connects == 1 && client.closed == 1 && server.connects == 1, poll_both(&client, &server));
  CHECK_EQ_INT(client.disconnects, 0);
  CHECK_EQ_INT(enetjs_peer_ping(client.host, slow), ENETJS_ERR_STALE);
  consumer_close(&client);
  consumer_close(&server);
}

/* They would look like numbers. */
TEST(ipv4_datagrams_from_240_are_dropped) {
  static const uint32_t addresses[] = {0xF0000000u, 0xF0004001u, 0xFFFFFFFEu, 0xFFFFFFFFu};
  for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
    struct consumer server;
    int fd;
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

/* A program could not answer them. */
static uint32_t add_up(const void *words, size_t bytes, uint32_t sum) {
  for (size_t i = 0; i < bytes; i += 2) {
    uint16_t word;
    memcpy(&word, (const uint8_t *)words + i, sizeof(word));
    sum += ntohs(word);
  }
  return sum;
}

/* Puts a packet on the loopback interface: an IPv6 header with the address that stands for 127.0.0.1. */
static bool send_mapped(uint16_t port) {
  struct {
    struct ip6_hdr ip;
    struct udphdr udp;
    char data[6];
  } packet = {.data = "forged"};
  struct sockaddr_ll to = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_IPV6), .sll_halen = ETH_ALEN};
  const size_t length = sizeof(packet.udp) + sizeof(packet.data);
  uint32_t sum;
  ssize_t sent;
  int fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETHERTYPE_IPV6));
  if (fd < 0) return false;
  packet.ip.ip6_flow = htonl(6u << 28);
  packet.ip.ip6_plen = htons((uint16_t)length);
  packet.ip.ip6_nxt = IPPROTO_UDP;
  packet.ip.ip6_hlim = 64;
  CHECK_EQ_INT(inet_pton(AF_INET6, "::ffff:127.0.0.1", &packet.ip.ip6_src), 1);
  packet.ip.ip6_dst = in6addr_loopback;
  packet.udp.source = htons(9);
  packet.udp.dest = htons(port);
  packet.udp.len = htons((uint16_t)length);
  sum = add_up(&packet.ip.ip6_src, 2 * sizeof(struct in6_addr), IPPROTO_UDP + (uint32_t)length);
  sum = add_up(&packet.udp, length, sum);
  sum = (sum & 0xFFFF) + (sum >> 16);
  packet.udp.check = htons((uint16_t)~(sum + (sum >> 16)));
  to.sll_ifindex = (int)if_nametoindex("lo");
  sent = sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to));
  close(fd);
  return sent == (ssize_t)sizeof(packet);
}

/*
 * An IPv6 packet can claim to come from an address that stands for one of IPv4, such as this machine's own.
 */
TEST(no_ipv6_packet_comes_from_an_ipv4_address) {
  struct consumer server;
  int fd;
  server_open6(&server, ENETJS_IPV6_DUAL);
  if (!send_mapped(port_of(&server))) printf("# not root: no packet can be forged\n");
  fd = sender_open(port_of(&server), AF_INET);
  CHECK(send(fd, "hello", 5, 0) == 5);
  UNTIL(server.datagrams > 0, consumer_poll(&server));
  CHECK_EQ_INT(server.datagrams, 1);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_RECEIVED_PACKETS), 1);
  close(fd);
  consumer_close(&server);
}

TEST(datagrams_from_port_0_are_not_reported) {
  for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
    struct consumer server;
    int fd;
    server_open6(&server, ipv6 ? ENETJS_IPV6_DUAL : ENETJS_IPV6_NONE);
    fd = sender_open(port_of(&server), ipv6 ? AF_INET6 : AF_INET);
    CHECK(send(fd, "hello", 5, 0) == 5);
    forged.port_0 = true;
    UNTIL(statistic(&server, ENETJS_HOST_STAT_RECEIVED_PACKETS) == 1, consumer_poll(&server));
    forged.port_0 = false;
    CHECK_EQ_INT(server.datagrams, 0);
    CHECK(send(fd, "hello", 5, 0) == 5);
    UNTIL(server.datagrams == 1, consumer_poll(&server));
    close(fd);
    consumer_close(&server);
  }
}

TEST(the_mtu_of_ipv6_is_lower) {
  struct consumer server, client;
  double peer;
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

static int source_preferences(const struct consumer *c) {
  int preferences = -1;
  socklen_t length = sizeof(preferences);
  getsockopt(host_of(c)->enet->socket, IPPROTO_IPV6, 72 /* IPV6_ADDR_PREFERENCES */, &preferences, &length);
  return preferences;
}

/* Those who connect know the public address; a client need not show its own. */
TEST(a_server_answers_from_its_public_address) {
  struct consumer server, client;
  const int public = 2, temporary = 1; /* IPV6_PREFER_SRC_PUBLIC, IPV6_PREFER_SRC_TMP */
  server_open6(&server, ENETJS_IPV6_DUAL);
  client_open6(&client);
  CHECK_EQ_INT(source_preferences(&server) & (public | temporary), public);
  CHECK((source_preferences(&client) & public) == 0);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(a_socket_of_one_family_reaches_no_other) {
  struct consumer only, plain;
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

#endif

int main(void) {
#if defined(__linux__)
  static const struct test_case cases[] = {
      TEST_CASE(a_peer_is_told_with_its_real_address),
      TEST_CASE(a_flood_of_forged_addresses_takes_no_number),
      TEST_CASE(peers_of_a_64_count_together),
      TEST_CASE(numbers_of_peers_that_have_gone_are_free_again),
      TEST_CASE(datagrams_of_a_64_share_a_limit_and_have_an_address_each),
      TEST_CASE(an_abandoned_attempt_keeps_no_place_from_another_one),
      TEST_CASE(ipv4_datagrams_from_240_are_dropped),
      TEST_CASE(no_ipv6_packet_comes_from_an_ipv4_address),
      TEST_CASE(datagrams_from_port_0_are_not_reported),
      TEST_CASE(the_mtu_of_ipv6_is_lower),
      TEST_CASE(a_server_answers_from_its_public_address),
      TEST_CASE(a_socket_of_one_family_reaches_no_other),
  };
  if (ipv6_works()) return test_run(cases, TEST_COUNT(cases));
#endif
  puts(
      "1..1\nok 1 - ipv6 # SKIP this machine has no IPv6 loopback address, or libenet's calls do not reach "
      "the library");
  return EXIT_SUCCESS;
}
