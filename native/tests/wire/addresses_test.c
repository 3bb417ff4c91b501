/* The address map: numbers in place of IPv6 addresses. What a host makes of it is in ipv6_test.c. */
#include "../consumer.h"
#include "wire/addresses.h"

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
  struct enetjs_endpoint loopback = enetjs_endpoint_of_ipv4(LOOPBACK, 9),
                         broadcast = enetjs_endpoint_of_ipv4(UINT32_MAX, 9);
  ENetAddress with = enetjs_addresses_arrive(map, &loopback),
              without = enetjs_addresses_arrive(NULL, &loopback);
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
  struct enetjs_endpoint a = endpoint_of(NETWORK, 1, 0, 1), b = endpoint_of(NETWORK, 2, 0, 2),
                         c = endpoint_of(NETWORK + 1, 1, 0, 1);
  struct enetjs_endpoint link1 = endpoint_of(0xFE80000000000000u, 1, 1, 1),
                         link2 = endpoint_of(0xFE80000000000000u, 1, 2, 1);
  struct enetjs_endpoint v4 = enetjs_endpoint_of_ipv4(LOOPBACK, 1),
                         other_v4 = enetjs_endpoint_of_ipv4(LOOPBACK + 1, 1);
  CHECK(enetjs_endpoint_network(&a) == enetjs_endpoint_network(&b));
  CHECK(enetjs_endpoint_network(&a) != enetjs_endpoint_network(&c));
  CHECK(enetjs_endpoint_network(&link1) != enetjs_endpoint_network(&link2));
  CHECK(enetjs_endpoint_network(&v4) != enetjs_endpoint_network(&other_v4));
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(an_address_has_one_number_and_keeps_its_ports),
      TEST_CASE(ipv4_addresses_are_what_they_are),
      TEST_CASE(strangers_take_no_number),
      TEST_CASE(the_table_is_bounded_and_peers_keep_their_numbers),
      TEST_CASE(a_number_of_a_peer_that_is_gone_is_nobodys),
      TEST_CASE(a_network_is_what_limits_count),
  };
  return test_run(cases, TEST_COUNT(cases));
}
