/*
 * See addresses.h. A number is 240.0.0.0 plus the index of an entry, in its lowest bits, and how often that
 * entry has been given, above them. Entries are found by their address in hash chains with a random seed.
 *
 * Nothing tells the map that a peer is gone. When all entries are used, those whose number no peer of ENet
 * has are freed: at least half, so that looking for them costs little for each number that is given.
 */
#include "wire/addresses.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"

#define INDEX_BITS 14
#define INDEX_MASK ((1u << INDEX_BITS) - 1)
/* the other half of the numbers is for sessions, see endpoint.h */
#define ROUNDS ((1u << (27 - INDEX_BITS)) - 1)
#define SPARE 16
#define NONE UINT32_MAX

struct entry {
  struct enetjs_endpoint host; /* without a port */
  uint32_t number;             /* host byte order; 0: free */
  uint32_t rounds;
  uint32_t next; /* in its chain, or the next free one */
  bool kept;
};

struct enetjs_addresses {
  ENetHost *enet;
  uint64_t seed;
  uint32_t room, count, free, buckets; /* buckets: a power of two, less one */
  struct enetjs_endpoint stranger;     /* the last endpoint without a number */
  uint32_t latest;                     /* the entry that was found last */
  uint32_t *bucket;
  struct entry entries[];
};

_Static_assert(2 * ENET_PROTOCOL_MAXIMUM_PEER_ID + SPARE <= INDEX_MASK, "every entry has an index");

static uint32_t *bucket_of(struct enetjs_addresses *map, const struct enetjs_endpoint *host) {
  uint64_t hash = (host->high ^ map->seed) * 0x9E3779B97F4A7C15u;
  hash = (hash ^ hash >> 32 ^ host->low ^ host->scope) * (map->seed | 1);
  hash = (hash ^ hash >> 29) * 0xC4CEB9FE1A85EC53u;
  return &map->bucket[hash >> 32 & map->buckets];
}

static ENetAddress address_of(uint32_t number, uint16_t port) {
  ENetAddress address;
  address.host = ENET_HOST_TO_NET_32(number);
  address.port = port;
  return address;
}

static struct entry *entry_of(struct enetjs_addresses *map, const struct enetjs_endpoint *endpoint) {
  uint32_t at = map->latest;
  if (at != NONE && enetjs_endpoint_same_host(&map->entries[at].host, endpoint)) return &map->entries[at];
  for (at = *bucket_of(map, endpoint); at != NONE; at = map->entries[at].next)
    if (enetjs_endpoint_same_host(&map->entries[at].host, endpoint)) {
      map->latest = at;
      return &map->entries[at];
    }
  return NULL;
}

/* @returns NULL for a number that is no one's */
static struct entry *entry_at(struct enetjs_addresses *map, uint32_t number) {
  uint32_t index = number & INDEX_MASK;
  return index < map->room && map->entries[index].number == number ? &map->entries[index] : NULL;
}

static void release(struct enetjs_addresses *map, struct entry *entry) {
  uint32_t index = (uint32_t)(entry - map->entries), *link = bucket_of(map, &entry->host);
  while (*link != index) link = &map->entries[*link].next;
  *link = entry->next;
  entry->number = 0;
  entry->next = map->free;
  map->free = index;
  map->count--;
}

static void release_unused(struct enetjs_addresses *map) {
  for (size_t i = 0; i < map->enet->peerCount; i++) {
    const ENetPeer *peer = &map->enet->peers[i];
    struct entry *entry = entry_at(map, ENET_NET_TO_HOST_32(peer->address.host));
    if (entry && peer->state != ENET_PEER_STATE_DISCONNECTED) entry->kept = true;
  }
  map->latest = NONE;
  for (uint32_t i = 0; i < map->room; i++) {
    if (!map->entries[i].kept) release(map, &map->entries[i]);
    map->entries[i].kept = false;
  }
}

static struct entry *add(struct enetjs_addresses *map, const struct enetjs_endpoint *endpoint) {
  uint32_t index, *bucket = bucket_of(map, endpoint);
  struct entry *entry;
  if (map->count == map->room) release_unused(map);
  index = map->free;
  entry = &map->entries[index];
  map->free = entry->next;
  entry->host = *endpoint;
  entry->host.port = 0;
  entry->rounds = entry->rounds % (ROUNDS - 1) + 1;
  entry->number = ENETJS_STRANGER | entry->rounds << INDEX_BITS | index;
  entry->next = *bucket;
  *bucket = index;
  map->count++;
  return entry;
}

ENetAddress enetjs_addresses_arrive(struct enetjs_addresses *map, const struct enetjs_endpoint *from) {
  const struct entry *entry;
  if (!map || enetjs_endpoint_is_ipv4(from)) return enetjs_endpoint_plain(from);
  entry = entry_of(map, from);
  if (!entry) map->stranger = *from;
  return address_of(entry ? entry->number : ENETJS_STRANGER, from->port);
}

ENetAddress enetjs_addresses_give(struct enetjs_addresses *map, const struct enetjs_endpoint *endpoint) {
  const struct entry *entry;
  if (!map || enetjs_endpoint_is_ipv4(endpoint)) return enetjs_endpoint_plain(endpoint);
  entry = entry_of(map, endpoint);
  if (!entry) entry = add(map, endpoint);
  return address_of(entry->number, endpoint->port);
}

struct enetjs_endpoint enetjs_addresses_find(const struct enetjs_addresses *map, const ENetAddress *address) {
  uint32_t number = ENET_NET_TO_HOST_32(address->host), index = number & INDEX_MASK;
  struct enetjs_endpoint endpoint = {0};
  if (number >= ENETJS_FIRST_SESSION) return enetjs_endpoint_of(address);
  if (number == ENETJS_STRANGER)
    endpoint = map->stranger;
  else if (index < map->room && map->entries[index].number == number)
    endpoint = map->entries[index].host;
  endpoint.port = address->port;
  return endpoint;
}

/* The datagram that is being read may be from another stranger. */
int enetjs_addresses_send(struct enetjs_addresses *map, const ENetHost *enet,
                          const struct enetjs_endpoint *to, const ENetBuffer *buffer) {
  struct enetjs_endpoint reading = {0};
  ENetAddress address;
  int sent;
  if (map) reading = map->stranger;
  address = enetjs_addresses_arrive(map, to);
  sent = enet_socket_send(enet->socket, &address, buffer, 1);
  if (map) map->stranger = reading;
  return sent;
}

size_t enetjs_addresses_count(const struct enetjs_addresses *map) { return map ? map->count : 0; }

struct enetjs_addresses *enetjs_addresses_create(ENetHost *enet) {
  uint32_t room = (uint32_t)(2 * enet->peerCount + SPARE), buckets = 1;
  struct enetjs_addresses *map = calloc(1, sizeof(*map) + room * sizeof(map->entries[0]));
  if (!map) return NULL;
  while (buckets < room) buckets *= 2;
  map->bucket = malloc(buckets * sizeof(*map->bucket));
  if (!map->bucket) {
    free(map);
    return NULL;
  }
  memset(map->bucket, 0xFF, buckets * sizeof(*map->bucket)); /* NONE */
  map->enet = enet;
  map->room = room;
  map->buckets = buckets - 1;
  map->latest = map->free = NONE;
  enetjs_random(&map->seed, sizeof(map->seed));
  while (room-- > 0) {
    map->entries[room].next = map->free;
    map->free = room;
  }
  return map;
}

void enetjs_addresses_destroy(struct enetjs_addresses *map) {
  if (!map) return;
  free(map->bucket);
  free(map);
}
