/*
 * The pool of blocks for ENet's many small, short-lived allocations.
 *
 * Roles
 *   block     A 16-byte header and the caller's bytes; depot.h has its layout and the size classes.
 *   magazine  Each thread has one for each class. Blocks are taken from its active chain and put back to that. Its
 *             spare chain is full or absent. There are two chains, so that a thread that alternates around the end of
 *             one does not visit the depot each time.
 *   cache     A thread's magazines. A thread without one uses the shared cache under its lock: memory was out, or
 *             the thread is past the end of its cache.
 *   depot     The chains that no thread holds (depot.c).
 *   own block A block above the largest class is a malloc or a mapping of its own (own_block.c).
 *
 * Memory order
 *   Magazines belong to their thread and need no order. Chains change threads through a depot, whose mutex orders
 *   them. A thread may free a block of another thread: the caller has handed the block over, and that orders it. The
 *   block joins the magazine of the thread that frees it.
 *   The counts of a magazine have one writer, its thread, and are relaxed. Nobody counts live blocks: they are those
 *   cut from slabs that lie in no depot and in no magazine. enetjs_pool_stats adds that up. The sum is exact once the
 *   other threads are quiet and the caller knows that.
 *
 * Accounts
 *   A thread may charge an account (budget.h) for what it allocates. The header of a live block names the account.
 *   Only a thread with a cache of its own charges.
 *
 * Ownership
 *   A cache belongs to its thread. When the thread exits, the chains go to the depots, and the cache is freed.
 *
 * Trimming
 *   A trim frees slabs (depot.c) and asks malloc to give memory back. The magazines of other threads keep their slabs:
 *   two chains for each class and thread at most. So after a trim, each thread empties its magazines once
 *   (enetjs_pool_relax).
 *
 * Locks are leaves: none is taken while another is held, with two exceptions. A depot's lock is taken under that of
 * the shared cache or the registry. Any of them is taken under that of the trim, which nobody waits for.
 */
#include "base/pool.h"

#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "base/clock.h"
#include "base/depot.h"
#include "base/own_block.h"

enum {
  SLACK_BYTES = 4 << 20, /* malloc must hold as much for a trim */
  TRIM_INTERVAL_US = 1000000
};

struct magazine {
  struct enetjs_block *active;
  struct enetjs_block *spare;   /* holds `limit` blocks, or is NULL */
  _Atomic uint32_t count;       /* of the active chain */
  _Atomic uint32_t spare_count; /* for those who may not look at the chain */
  uint32_t limit;
  uint32_t block_bytes;
};

struct cache {
  size_t charged;                 /* to the account, and not added to it yet */
  uint32_t account_id;            /* of the account, or 0 */
  struct enetjs_account *account; /* charged for what the thread allocates, or NULL */
  size_t sparse;                  /* the next block of this size is to be sparse; 0 for none */
  size_t sparse_written;          /* and what will be written into it at once */
  uint32_t trims;                 /* of the pool's, that the thread has answered */
#ifdef ENETJS_PLAIN_BLOCKS
  _Atomic int64_t plain_blocks; /* taken by the thread less those that it has freed */
  _Atomic int64_t plain_bytes;
#endif
  struct magazine magazines[ENETJS_BLOCK_CLASSES];
  struct cache *previous;
  struct cache *next;
};

static struct {
  enetjs_key key;
  bool has_key;

  enetjs_mutex shared_mutex;
  struct cache shared;

  enetjs_mutex registry_mutex; /* guards the list of caches, which begins with `shared` */

  _Atomic uint64_t own_blocks; /* live ones of no class */
  _Atomic uint64_t own_bytes;

  enetjs_mutex trim_mutex;
  _Atomic uint64_t trimmed_us;
  _Atomic uint32_t trims;
} pool = {.shared_mutex = ENETJS_MUTEX_INIT, .registry_mutex = ENETJS_MUTEX_INIT, .trim_mutex = ENETJS_MUTEX_INIT};

static enetjs_once pool_once = ENETJS_ONCE_INIT;
static ENETJS_THREAD_LOCAL struct cache *own_cache;
static ENETJS_THREAD_LOCAL bool thread_exiting;

/* ---- Counters -------------------------------------------------------------------------------- */

static uint32_t magazine_count(struct magazine *magazine) {
  return atomic_load_explicit(&magazine->count, memory_order_relaxed);
}

static void magazine_set_count(struct magazine *magazine, uint32_t count) {
  atomic_store_explicit(&magazine->count, count, memory_order_relaxed);
}

static void magazine_set_spare(struct magazine *magazine, struct enetjs_block *chain) {
  magazine->spare = chain;
  atomic_store_explicit(&magazine->spare_count, chain ? magazine->limit : 0, memory_order_relaxed);
}

/* Blocks that lie in it. */
static uint32_t magazine_blocks(struct magazine *magazine) {
  return magazine_count(magazine) + atomic_load_explicit(&magazine->spare_count, memory_order_relaxed);
}

static void counter_add(_Atomic uint64_t *counter, uint64_t change) {
  atomic_fetch_add_explicit(counter, change, memory_order_relaxed);
}

static void counter_subtract(_Atomic uint64_t *counter, uint64_t change) {
  atomic_fetch_sub_explicit(counter, change, memory_order_relaxed);
}

static uint64_t load_u64(_Atomic uint64_t *value) { return atomic_load_explicit(value, memory_order_relaxed); }

/* ---- Caches ---------------------------------------------------------------------------------- */

static void cache_init_magazine(struct magazine *magazine, const struct enetjs_depot *depot) {
  magazine->limit = depot->chain_limit;
  magazine->block_bytes = (uint32_t)depot->block_bytes;
}

static void cache_init(struct cache *cache) {
  *cache = (struct cache){0};
  for (unsigned i = 0; i < ENETJS_BLOCK_CLASSES; i++) cache_init_magazine(&cache->magazines[i], &enetjs_depots[i]);
}

#ifdef ENETJS_PLAIN_BLOCKS
/* The thread of the cache exits. */
static void plain_leave(struct cache *cache) {
  counter_add(&pool.own_blocks, (uint64_t)cache->plain_blocks);
  counter_add(&pool.own_bytes, (uint64_t)cache->plain_bytes);
}
#endif

static void cache_register(struct cache *cache) {
  enetjs_mutex_lock(&pool.registry_mutex);
  cache->previous = &pool.shared;
  cache->next = pool.shared.next;
  if (cache->next) cache->next->previous = cache;
  pool.shared.next = cache;
  enetjs_mutex_unlock(&pool.registry_mutex);
}

static void cache_unregister(struct cache *cache) {
  enetjs_mutex_lock(&pool.registry_mutex);
  cache->previous->next = cache->next;
  if (cache->next) cache->next->previous = cache->previous;
  enetjs_mutex_unlock(&pool.registry_mutex);
}

static void cache_empty(struct cache *cache) {
  for (unsigned i = 0; i < ENETJS_BLOCK_CLASSES; i++) {
    struct magazine *magazine = &cache->magazines[i];
    if (magazine->active) enetjs_depot_push(i, magazine->active, magazine_count(magazine));
    if (magazine->spare) enetjs_depot_push(i, magazine->spare, magazine->limit);
  }
}

/* Other destructors of this thread may still allocate and free: they find `thread_exiting`. */
static void ENETJS_KEY_CALL cache_at_thread_exit(void *value) {
  struct cache *cache = value;
  thread_exiting = true;
  own_cache = NULL;
#ifdef ENETJS_PLAIN_BLOCKS
  plain_leave(cache);
#endif
  cache_unregister(cache);
  cache_empty(cache);
  free(cache);
}

static void pool_setup(void) {
  enetjs_depots_initialize();
  enetjs_own_blocks_initialize();
  cache_init(&pool.shared);
  pool.has_key = enetjs_key_create(&pool.key, cache_at_thread_exit);
}

static struct cache *cache_create(void) {
  struct cache *cache;
  if (thread_exiting || !pool.has_key) return NULL;
  cache = malloc(sizeof(*cache));
  if (!cache) return NULL;
  if (!enetjs_key_set(pool.key, cache)) {
    free(cache);
    return NULL;
  }
  cache_init(cache);
  cache_register(cache);
  return cache;
}

/* Returns a cache the thread may use until cache_leave. Never fails. */
static struct cache *cache_enter(void) {
  if (own_cache) return own_cache;
  enetjs_once_run(&pool_once, pool_setup);
  own_cache = cache_create();
  if (own_cache) return own_cache;
  enetjs_mutex_lock(&pool.shared_mutex);
  return &pool.shared;
}

static void cache_leave(struct cache *cache) {
  if (cache == &pool.shared) enetjs_mutex_unlock(&pool.shared_mutex);
}

/* ---- Magazines ------------------------------------------------------------------------------- */

static size_t cost_of(const struct enetjs_block *block) {
  return block->class_index < ENETJS_BLOCK_CLASSES ? enetjs_depots[block->class_index].block_bytes
                                                   : enetjs_own_block_cost(block);
}

static void block_charge(struct enetjs_block *block, struct enetjs_account *account) {
  block->account = account ? account->id : 0;
  if (!account) return;
  account->sparse_blocks += block->class_index == ENETJS_BLOCK_SPARSE;
  enetjs_account_add(account, cost_of(block));
}

static void block_discharge(struct enetjs_block *block, size_t cost) {
  struct enetjs_account *account;
  if (!block->account) return;
  account = enetjs_account_of(block->account);
  account->sparse_blocks -= block->class_index == ENETJS_BLOCK_SPARSE;
  enetjs_account_subtract(account, cost);
}

static void *magazine_take(struct cache *cache, struct magazine *magazine) {
  struct enetjs_block *block = magazine->active;
  magazine->active = block->next;
  magazine_set_count(magazine, magazine_count(magazine) - 1);
  block->account = cache->account_id;
  cache->charged += magazine->block_bytes; /* goes nowhere while there is no account */
  return block + 1;
}

/* The account comes last, so that the rare call there needs no registers saved. */
static inline void magazine_give(struct magazine *magazine, struct enetjs_block *block) {
  uint32_t account_id = block->account;
  block->next = magazine->active;
  magazine->active = block;
  magazine_set_count(magazine, magazine_count(magazine) + 1);
  if (account_id) enetjs_account_subtract(enetjs_account_of(account_id), magazine->block_bytes);
}

/* Gives a magazine without an active chain one; false when memory is out. */
static bool cache_refill(struct cache *cache, unsigned index) {
  struct magazine *magazine = &cache->magazines[index];
  uint32_t count = magazine->limit;
  magazine->active = magazine->spare;
  magazine_set_spare(magazine, NULL);
  if (!magazine->active) magazine->active = enetjs_depot_pull(index, &count);
  if (!magazine->active) return false;
  magazine_set_count(magazine, count);
  return true;
}

/* Makes a full active chain the spare one. */
static void cache_spill(struct cache *cache, unsigned index) {
  struct magazine *magazine = &cache->magazines[index];
  if (magazine->spare) enetjs_depot_push(index, magazine->spare, magazine->limit);
  magazine_set_spare(magazine, magazine->active);
  magazine->active = NULL;
  magazine_set_count(magazine, 0);
}

/* ---- Blocks of no class ---------------------------------------------------------------------- */

/* The account that the thread charges. */
static struct enetjs_account *account_charged(void) {
  struct cache *cache = cache_enter();
  struct enetjs_account *account = cache->account;
  cache_leave(cache);
  return account;
}

static struct enetjs_block *own_create(size_t size) {
  if (!own_cache || size == 0 || own_cache->sparse != size) return enetjs_own_block_create(size);
  own_cache->sparse = 0;
  return enetjs_own_block_create_sparse(size, own_cache->sparse_written);
}

static void *own_take(size_t size) {
  struct enetjs_block *block = own_create(size);
  if (!block) return NULL;
  enetjs_reserved_add(sizeof(*block) + size);
  counter_add(&pool.own_blocks, 1);
  counter_add(&pool.own_bytes, size + ENETJS_OWN_BLOCK_OVERHEAD);
  block_charge(block, account_charged());
  return block + 1;
}

static void own_give(struct enetjs_block *block) {
  block_discharge(block, cost_of(block));
  counter_subtract(&pool.own_blocks, 1);
  counter_subtract(&pool.own_bytes, block->size + ENETJS_OWN_BLOCK_OVERHEAD);
  enetjs_reserved_subtract(sizeof(*block) + block->size);
  enetjs_own_block_destroy(block);
}

void enetjs_pool_expect_sparse(size_t size, size_t written) {
  if (!own_cache || !own_cache->account) return;
  own_cache->sparse = size;
  own_cache->sparse_written = written;
}

size_t enetjs_pool_sparse_cost(size_t size, size_t length) { return enetjs_own_block_sparse_cost(size, length); }

size_t enetjs_pool_touch_cost(const void *memory, size_t offset, size_t length) {
  return enetjs_own_block_touch_cost((const struct enetjs_block *)memory - 1, offset, length);
}

void enetjs_pool_touch(void *memory, size_t offset, size_t length) {
  struct enetjs_block *block = (struct enetjs_block *)memory - 1;
  size_t cost = enetjs_own_block_touch_cost(block, offset, length);
  if (cost == 0) return;
  enetjs_own_block_touch(block, cost);
  if (block->account) enetjs_account_add(enetjs_account_of(block->account), cost);
}

/* ---- Blocks of another allocator ------------------------------------------------------------- */

/*
 * For the bench, which compares allocators: every block is one of malloc's or mimalloc's, and accounts are charged as
 * ever. The threads count, because atomic additions for every block would be part of what is measured. Such a build
 * does not ask its allocator to give memory back.
 */
#ifdef ENETJS_PLAIN_BLOCKS
static void plain_count(struct cache *cache, int64_t blocks, int64_t bytes) {
  atomic_store_explicit(&cache->plain_blocks, atomic_load_explicit(&cache->plain_blocks, memory_order_relaxed) + blocks,
                        memory_order_relaxed);
  atomic_store_explicit(&cache->plain_bytes, atomic_load_explicit(&cache->plain_bytes, memory_order_relaxed) + bytes,
                        memory_order_relaxed);
}

static void *plain_take(size_t size) {
  struct cache *cache = own_cache;
  struct enetjs_block *block;
  if (size > ENETJS_BLOCK_LARGEST || !cache) return own_take(size);
  block = enetjs_own_block_create(size);
  if (!block) return NULL;
  block->class_index = ENETJS_BLOCK_PLAIN;
  block->account = cache->account_id;
  cache->charged += size + ENETJS_OWN_BLOCK_OVERHEAD;
  plain_count(cache, 1, (int64_t)(size + ENETJS_OWN_BLOCK_OVERHEAD));
  return block + 1;
}

static void plain_give(struct enetjs_block *block) {
  struct cache *cache = cache_enter();
  size_t cost = block->size + ENETJS_OWN_BLOCK_OVERHEAD;
  block_discharge(block, cost);
  plain_count(cache, -1, -(int64_t)cost);
  cache_leave(cache);
  enetjs_own_block_destroy(block);
}
#endif

/* ---- The pool -------------------------------------------------------------------------------- */

static ENETJS_NOINLINE void *take_slow(size_t size) {
  struct cache *cache;
  struct magazine *magazine;
  void *memory = NULL;
  if (size > ENETJS_BLOCK_LARGEST) return own_take(size);
  cache = cache_enter();
  magazine = &cache->magazines[enetjs_block_class_of(size)];
  if (magazine->active || cache_refill(cache, enetjs_block_class_of(size))) memory = magazine_take(cache, magazine);
  cache_leave(cache);
  return memory;
}

static ENETJS_NOINLINE void give_slow(struct enetjs_block *block) {
  struct cache *cache;
  struct magazine *magazine;
#ifdef ENETJS_PLAIN_BLOCKS
  if (block->class_index == ENETJS_BLOCK_PLAIN) {
    plain_give(block);
    return;
  }
#endif
  if (block->class_index >= ENETJS_BLOCK_OWN) {
    own_give(block);
    return;
  }
  cache = cache_enter();
  magazine = &cache->magazines[block->class_index];
  if (magazine_count(magazine) == magazine->limit) cache_spill(cache, block->class_index);
  magazine_give(magazine, block);
  cache_leave(cache);
}

void *enetjs_pool_block_take(size_t size) {
  struct cache *cache = own_cache;
  struct magazine *magazine;
  if (size > ENETJS_BLOCK_LARGEST || !cache) return take_slow(size);
  magazine = &cache->magazines[enetjs_block_class_of(size)];
  if (!magazine->active) return take_slow(size);
  return magazine_take(cache, magazine);
}

static atomic_uint failures;

unsigned enetjs_pool_failures(void) { return atomic_load_explicit(&failures, memory_order_relaxed); }

static ENETJS_NOINLINE void *failed(void) {
  atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
  return NULL;
}

#ifdef ENETJS_SYSTEM_MALLOC
_Atomic int64_t enetjs_pool_test_countdown = INT64_MAX;

static bool test_says_no(void) {
  int64_t left = atomic_load(&enetjs_pool_test_countdown);
  return left != INT64_MAX && atomic_fetch_sub(&enetjs_pool_test_countdown, 1) == 1;
}
#endif

void *enetjs_pool_malloc(size_t size) {
#ifdef ENETJS_SYSTEM_MALLOC
  void *memory = test_says_no() ? NULL : own_take(size);
#elif defined(ENETJS_PLAIN_BLOCKS)
  void *memory = plain_take(size);
#else
  void *memory = enetjs_pool_block_take(size);
#endif
  return memory ? memory : failed();
}

/* ---- Accounts -------------------------------------------------------------------------------- */

void enetjs_pool_charge(struct enetjs_account *account) {
  struct cache *cache = own_cache;
  if (!cache) {
    if (!account) return;
    cache = cache_enter();
    cache_leave(cache);
    if (cache == &pool.shared) return;
  }
  if (cache->account) enetjs_account_add(cache->account, cache->charged);
  cache->charged = 0;
  cache->sparse = 0;
  cache->account = account;
  cache->account_id = account ? account->id : 0;
}

void enetjs_pool_move(void *memory, struct enetjs_account *account) {
  struct enetjs_block *block = (struct enetjs_block *)memory - 1;
  block_discharge(block, cost_of(block));
  block_charge(block, account);
}

size_t enetjs_pool_cost(size_t size) {
#if defined(ENETJS_SYSTEM_MALLOC) || defined(ENETJS_PLAIN_BLOCKS)
  return size + ENETJS_OWN_BLOCK_OVERHEAD;
#else
  return size > ENETJS_BLOCK_LARGEST ? size + ENETJS_OWN_BLOCK_OVERHEAD
                                     : enetjs_depots[enetjs_block_class_of(size)].block_bytes;
#endif
}

void enetjs_pool_free(void *memory) {
  struct cache *cache = own_cache;
  struct enetjs_block *block;
  struct magazine *magazine;
  if (!memory) return;
  block = (struct enetjs_block *)memory - 1;
  if (!cache || block->class_index >= ENETJS_BLOCK_OWN) {
    give_slow(block);
    return;
  }
  magazine = &cache->magazines[block->class_index];
  if (magazine_count(magazine) == magazine->limit)
    give_slow(block);
  else
    magazine_give(magazine, block);
}

/* ---- Trimming -------------------------------------------------------------------------------- */

static bool malloc_is_slack(void) { return enetjs_reserved_peak() > enetjs_reserved_bytes() + SLACK_BYTES; }

bool enetjs_pool_slack(void) { return enetjs_depots_slack() || malloc_is_slack(); }

/* Gives back what the thread hoards; it stays in use. */
static void cache_flush(struct cache *cache) {
  cache_empty(cache);
  for (unsigned i = 0; i < ENETJS_BLOCK_CLASSES; i++) {
    struct magazine *magazine = &cache->magazines[i];
    magazine->active = NULL;
    magazine_set_count(magazine, 0);
    magazine_set_spare(magazine, NULL);
  }
}

void enetjs_pool_relax(void) {
  struct cache *cache = own_cache;
  uint32_t trims = atomic_load_explicit(&pool.trims, memory_order_relaxed);
  if (!cache || cache->trims == trims) return;
  cache->trims = trims;
  cache_flush(cache);
}

static void slabs_trim(void) {
  if (own_cache) cache_flush(own_cache);
  enetjs_depots_trim();
  atomic_fetch_add_explicit(&pool.trims, 1, memory_order_relaxed);
}

static void malloc_give_back(void) {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
  enetjs_reserved_forget_peak();
}

static bool trimmed_long_ago(uint64_t now) { return now - load_u64(&pool.trimmed_us) >= TRIM_INTERVAL_US; }

bool enetjs_pool_trim_due(void) { return enetjs_pool_slack() && trimmed_long_ago(enetjs_clock_us()); }

void enetjs_pool_trim(void) {
  uint64_t now;
  if (!enetjs_pool_slack() || !enetjs_mutex_trylock(&pool.trim_mutex)) return;
  now = enetjs_clock_us();
  if (trimmed_long_ago(now)) {
    atomic_store_explicit(&pool.trimmed_us, now, memory_order_relaxed);
    if (enetjs_depots_slack()) slabs_trim();
    if (malloc_is_slack()) malloc_give_back();
  }
  enetjs_mutex_unlock(&pool.trim_mutex);
}

/* ---- Statistics ------------------------------------------------------------------------------ */

/* Blocks that lie in no depot and in no magazine. While other threads run, it may see a block twice. */
static size_t class_live(unsigned index) {
  size_t drawn = enetjs_depot_drawn(index);
  size_t held = 0;
  for (struct cache *cache = &pool.shared; cache; cache = cache->next)
    held += magazine_blocks(&cache->magazines[index]);
  return drawn > held ? drawn - held : 0;
}

void enetjs_pool_stats(struct enetjs_pool_stats *stats) {
  enetjs_once_run(&pool_once, pool_setup);
  stats->reserved_bytes = enetjs_reserved_bytes();
  stats->live_allocations = load_u64(&pool.own_blocks);
  stats->live_bytes = load_u64(&pool.own_bytes);
  enetjs_mutex_lock(&pool.registry_mutex);
  for (unsigned i = 0; i < ENETJS_BLOCK_CLASSES; i++) {
    size_t live = class_live(i);
    stats->live_allocations += live;
    stats->live_bytes += live * enetjs_depots[i].block_bytes;
  }
#ifdef ENETJS_PLAIN_BLOCKS
  for (struct cache *cache = &pool.shared; cache; cache = cache->next) {
    stats->live_allocations += (uint64_t)cache->plain_blocks;
    stats->live_bytes += (uint64_t)cache->plain_bytes;
    stats->reserved_bytes += (uint64_t)cache->plain_bytes;
  }
#endif
  enetjs_mutex_unlock(&pool.registry_mutex);
}
