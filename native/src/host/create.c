/*
 * How a host is created: its configuration is checked, its socket opened or taken from a shared port, and
 * what it needs of the wire put together.
 *
 * Invariant: a host that could not be created leaves nothing behind, and its control block is free again. Any
 * thread may create a host; that thread is its consumer from then on.
 */
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/pool.h"
#include "base/random.h"
#include "enet/libenet.h"
#include "host/internal.h"
#include "host/local.h"
#include "wire/addresses.h"
#include "wire/guard.h"
#include "wire/open.h"
#include "wire/peer_ids.h"
#include "wire/socket.h"

/* ---- Configuration --------------------------------------------------------------------------- */

static bool power_of_two(double value) {
  return enetjs_is_integer(value, 16, 1u << 30) && ((uint32_t)value & ((uint32_t)value - 1)) == 0;
}

static bool shared_port_valid(const double *c) {
  for (int i = ENETJS_CONFIG_SHARED_PORT; i <= ENETJS_CONFIG_SHARED_PORT_3; i++)
    if (!enetjs_is_integer(c[i], 0, UINT32_MAX)) return false;
  return enetjs_is_integer(c[ENETJS_CONFIG_REUSE_PORT], 0, 1);
}

static bool config_valid(const double *c) {
  const double u32 = UINT32_MAX;
  return enetjs_local_valid(c) && shared_port_valid(c) &&
         enetjs_is_integer(c[ENETJS_CONFIG_PEERS], 1, ENET_PROTOCOL_MAXIMUM_PEER_ID) &&
         enetjs_is_integer(c[ENETJS_CONFIG_CHANNELS], 1, ENET_PROTOCOL_MAXIMUM_CHANNEL_COUNT) &&
         enetjs_is_integer(c[ENETJS_CONFIG_INCOMING_BANDWIDTH], 0, u32) &&
         enetjs_is_integer(c[ENETJS_CONFIG_OUTGOING_BANDWIDTH], 0, u32) &&
         enetjs_is_integer(c[ENETJS_CONFIG_PUMP], 0, 1) && power_of_two(c[ENETJS_CONFIG_EVENT_CAPACITY]) &&
         power_of_two(c[ENETJS_CONFIG_COMPLETION_CAPACITY]) && power_of_two(c[ENETJS_CONFIG_ARENA_BYTES]) &&
         c[ENETJS_CONFIG_ARENA_BYTES] >= ENET_PROTOCOL_MAXIMUM_MTU && /* a datagram must fit */
         enetjs_is_integer(c[ENETJS_CONFIG_SCRATCH_BYTES], 0, 1u << 30) &&
         enetjs_is_integer(c[ENETJS_CONFIG_UNGUARDED], 0, 1);
}

static double shared_size(const double *c) {
  return ENETJS_HEADER_BYTES + ENETJS_STATS_COUNT * sizeof(double) +
         ENETJS_RECORD_BYTES * (c[ENETJS_CONFIG_EVENT_CAPACITY] + c[ENETJS_CONFIG_COMPLETION_CAPACITY]) +
         c[ENETJS_CONFIG_SCRATCH_BYTES];
}

static void ring_attach(struct enetjs_host *h, struct enetjs_ring *ring, unsigned head_word, size_t offset,
                        double capacity) {
  memset(ring, 0, sizeof(*ring));
  ring->head_word = &h->header[head_word];
  ring->tail_word = &h->header[head_word + 1];
  ring->records = h->shared + offset;
  ring->capacity = (uint32_t)capacity;
}

static void shared_attach(struct enetjs_host *h, const double *c, uint8_t *shared, double bytes,
                          uint8_t *arena) {
  size_t stats = ENETJS_HEADER_BYTES;
  size_t completions = stats + ENETJS_STATS_COUNT * sizeof(double);
  size_t events = completions + ENETJS_RECORD_BYTES * (size_t)c[ENETJS_CONFIG_COMPLETION_CAPACITY];
  size_t scratch = events + ENETJS_RECORD_BYTES * (size_t)c[ENETJS_CONFIG_EVENT_CAPACITY];
  h->shared = shared;
  h->shared_bytes = (size_t)bytes;
  h->scratch_offset = scratch;
  h->header = (_Atomic uint32_t *)(void *)shared;
  memset(shared, 0, completions);
  h->stats = (double *)(void *)(shared + stats);
  ring_attach(h, &h->completions, ENETJS_WORD_COMPLETION_HEAD, completions,
              c[ENETJS_CONFIG_COMPLETION_CAPACITY]);
  ring_attach(h, &h->events, ENETJS_WORD_EVENT_HEAD, events, c[ENETJS_CONFIG_EVENT_CAPACITY]);
  h->arena.head_word = &h->header[ENETJS_WORD_ARENA_HEAD];
  h->arena.tail_word = &h->header[ENETJS_WORD_ARENA_TAIL];
  h->arena.bytes = arena;
  h->arena.head = 0;
  h->arena.size = (uint32_t)c[ENETJS_CONFIG_ARENA_BYTES];
  /*
   * A quarter of the arena: a payload fits whenever half of the arena is free, even if its end splits the
   * free part.
   */
  h->inline_maximum = h->arena.size / 4 < 65536 ? h->arena.size / 4 : 65536;
  h->header[ENETJS_WORD_STATS_OFFSET] = (uint32_t)stats;
  h->header[ENETJS_WORD_COMPLETION_OFFSET] = (uint32_t)completions;
  h->header[ENETJS_WORD_EVENT_OFFSET] = (uint32_t)events;
  h->header[ENETJS_WORD_SCRATCH_OFFSET] = (uint32_t)scratch;
  h->header[ENETJS_WORD_INLINE_MAXIMUM] = h->inline_maximum;
}

/* For port 0 the system must choose a free port, and not one that other programs of the user share. */
static enum enetjs_sharing sharing_of(const double *c) {
  if (c[ENETJS_CONFIG_REUSE_PORT] == 0) return ENETJS_SHARING_NONE;
  return c[ENETJS_CONFIG_PORT] == 0 ? ENETJS_SHARING_FIRST : ENETJS_SHARING_JOIN;
}

/* Opens a socket, or takes that of the lease. @returns 0 or an error code */
static int find_socket(struct enetjs_host *h, const double *c, struct enetjs_local *local,
                       enetjs_fd *socket) {
  if (!h->lease.held) return enetjs_local_open(c, sharing_of(c), local, socket);
  if (!enetjs_socket_local(h->lease.socket, local)) return ENETJS_ERR_SOCKET;
  enetjs_socket_renew(h->lease.socket, local); /* a worker before may have set others, and been killed */
  *socket = h->lease.socket;
  h->lease.socket = ENETJS_FD_NONE;
  return 0;
}

/* @returns 0 or an error code */
static int open_socket(struct enetjs_host *h, const double *c) {
  struct enetjs_local local;
  enetjs_fd socket;
  int error = find_socket(h, c, &local, &socket);
  if (error < 0) return error;
  h->enet = enetjs_enet_open(socket, (size_t)c[ENETJS_CONFIG_PEERS], (size_t)c[ENETJS_CONFIG_CHANNELS],
                             (enet_uint32)c[ENETJS_CONFIG_INCOMING_BANDWIDTH],
                             (enet_uint32)c[ENETJS_CONFIG_OUTGOING_BANDWIDTH], &error);
  if (!h->enet) return error;
  h->ipv6_only = local.ipv6_only;
  h->unreachable.ipv6 = local.ipv6;
  if (!local.ipv6) return 0;
  h->addresses = enetjs_addresses_create(h->enet);
  return h->addresses ? 0 : ENETJS_ERR_MEMORY;
}

/* ---- Life ------------------------------------------------------------------------------------ */

/*
 * Creates the guard and the random peer ids. A host that accepts connections has neither where libenet's
 * socket calls do not arrive in wire/socket.c: the guard makes ENet receive datagrams there, and without the
 * guard ENet assigns its own ids.
 */
static bool open_guard(struct enetjs_host *h) {
  if (h->bound && enetjs_batch_arrives() <= 0) return true;
  h->peer_ids = enetjs_peer_ids_create(h->enet, h->addresses);
  if (!h->peer_ids) return false;
  if (h->bound) h->guard = enetjs_guard_create(h->enet, h->addresses, h->peer_ids);
  return !h->bound || h->guard;
}

static void close_guard(struct enetjs_host *h) {
  enetjs_guard_destroy(h->guard);
  enetjs_peer_ids_destroy(h->peer_ids);
}

/*
 * ENet sends with `&peer->address` (protocol.c of ENet, enet_protocol_send_outgoing_commands), so the pointer
 * tells the peer. The library itself sends with addresses of its own.
 */
static void count_sent(struct enetjs_host *h, const ENetAddress *to, int length) {
  uintptr_t first = (uintptr_t)&h->enet->peers[0].address, distance = (uintptr_t)to - first;
  struct enetjs_traffic *traffic;
  if (length <= 0 || (uintptr_t)to < first || distance / sizeof(ENetPeer) >= h->enet->peerCount) return;
  traffic = &h->slots[distance / sizeof(ENetPeer)].quality.sent;
  traffic->datagrams++;
  traffic->bytes += (uint64_t)length;
}

static void on_sent(void *owner, const ENetAddress *to, int length) {
  struct enetjs_host *h = owner;
  count_sent(h, to, length);
  if (h->handshakes.first) enetjs_handshake_sent(&h->handshakes, h->enet, to);
}

/*
 * ENet sends when it has read all there was: so it is given before what the acknowledgements have made room
 * for.
 */
static void on_read(void *owner, bool done) {
  enetjs_flows_read(owner, done);
  if (done) enetjs_queue_feed(owner, true);
}

/* @returns false where the host can't do without a batch */
static bool open_batch(struct enetjs_host *h) {
  struct enetjs_batch_parts parts = {
      h->enet, h->addresses, h->guard, &h->counters[ENETJS_HOST_STAT_SOCKET_ERRORS], on_sent, on_read, h};
  h->batch = enetjs_batch_create(&parts);
  return h->batch || !h->addresses;
}

static double open_block(struct enetjs_host *h, const double *c, uint8_t *shared, double shared_bytes,
                         uint8_t *arena) {
  double error = open_socket(h, c);
  if (error < 0) goto failed;
  enetjs_random(&h->debt_seed, sizeof(h->debt_seed));
  h->pool_failures = enetjs_pool_failures();
  h->account = enetjs_account_open(NULL);
  h->slots = calloc(h->enet->peerCount, sizeof(*h->slots));
  if (!h->slots || !h->account) {
    error = ENETJS_ERR_MEMORY;
    goto failed;
  }
  for (size_t index = 0; index < h->enet->peerCount; index++) {
    h->slots[index].host = h;
    h->slots[index].index = (uint32_t)index;
    h->slots[index].generation = 1;
  }
  h->enet->peers[0].data = h; /* how the intercept callback finds us */
  enetjs_intercept_install(h);
  h->bound = c[ENETJS_CONFIG_ADDRESS] >= 0;
  if (!open_guard(h) || !open_batch(h)) {
    error = ENETJS_ERR_MEMORY;
    goto failed;
  }
  enetjs_pace_reset(&h->pace);
  h->pump_configured = c[ENETJS_CONFIG_PUMP] != 0;
  error = enetjs_settings_apply(h, c);
  if (error < 0) goto failed;
  shared_attach(h, c, shared, shared_bytes, arena);
  return 0;
failed:
  enetjs_batch_destroy(h->batch);
  close_guard(h);
  enetjs_addresses_destroy(h->addresses);
  free(h->slots);
  enetjs_account_close(h->account, NULL);
  if (h->enet) enet_host_destroy(h->enet);
  enetjs_lease_end(&h->lease);
  enetjs_host_block_clear(h);
  return error;
}

/* Strangers reach a host that is bound. @returns 0 when it may be, or an error code */
static int require_guard(const double *c) {
  int arrives;
  if (c[ENETJS_CONFIG_ADDRESS] < 0 || c[ENETJS_CONFIG_UNGUARDED] == 1) return 0;
  arrives = enetjs_batch_arrives();
  if (arrives < 0) return arrives;
  return arrives && enetjs_libenet_owned ? 0 : ENETJS_ERR_UNGUARDED;
}

/*
 * Takes a socket of the shared port that the configuration names. A worker before may have left several
 * datagrams in one buffer there (UDP_GRO), which only batches can take apart. @returns 0, also when none is
 * named, or an error code
 */
static int take_lease(const double *c, struct enetjs_lease *lease) {
  uint32_t name[ENETJS_PORT_NAME_WORDS], any = 0;
  for (unsigned i = 0; i < ENETJS_PORT_NAME_WORDS; i++)
    any |= name[i] = (uint32_t)c[ENETJS_CONFIG_SHARED_PORT + i];
  if (any == 0) return 0;
  return enetjs_batch_arrives() > 0 ? enetjs_lease_take(name, lease) : ENETJS_ERR_UNGUARDED;
}

static bool wants_sharing(const double *c) {
  for (int i = ENETJS_CONFIG_REUSE_PORT; i <= ENETJS_CONFIG_SHARED_PORT_3; i++)
    if (c[i] != 0) return true;
  return false;
}

double enetjs_host_create(const uint8_t *config, double configBytes, uint8_t *shared, double sharedBytes,
                          uint8_t *arena, double arenaBytes) {
  double c[ENETJS_CONFIG_COUNT], result;
  struct enetjs_lease lease = {0};
  struct enetjs_host *h;
  int error, initialized = enetjs_host_initialize();
  if (initialized < 0) return initialized;
  if (!config || !shared || !arena || configBytes != sizeof(c)) return ENETJS_ERR_ARGUMENT;
  memcpy(c, config, sizeof(c));
  if (!config_valid(c)) return ENETJS_ERR_ARGUMENT;
  if (sharedBytes != shared_size(c) || arenaBytes != c[ENETJS_CONFIG_ARENA_BYTES] ||
      !enetjs_host_aligned(shared) || !enetjs_host_aligned(arena))
    return ENETJS_ERR_LAYOUT;
  error = wants_sharing(c) ? enetjs_sharing_supported() : 0;
  if (error == 0) error = require_guard(c);
  if (error == 0) error = take_lease(c, &lease);
  if (error < 0) return error;
  h = enetjs_host_block_take();
  if (!h) {
    enetjs_lease_end(&lease);
    return ENETJS_ERR_LIMIT;
  }
  h->lease = lease;
  result = open_block(h, c, shared, sharedBytes, arena);
  if (result == 0) {
    h->open = true;
    h->owner = enetjs_this_thread();
    atomic_fetch_add(&enetjs_live_hosts, 1);
    result = enetjs_host_handle(h);
  }
  enetjs_host_release(h);
  return result;
}
