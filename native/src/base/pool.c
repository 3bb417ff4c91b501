/*
 * A size-class pool for ENet's many small, short-lived blocks.
 *
 * Roles
 *   block     A 16-byte header and the caller's bytes. The header of a free block holds the link of
 *             the chain it is in.
 *   magazine  Per thread and class: an active chain that blocks are taken from and put back to, and
 *             a spare one that is either full or absent. Two chains, so that a thread that
 *             alternates around a chain's end does not visit the depot each time.
 *   depot     Per class: chains no thread holds, and the uncut rest of the newest slab.
 *   cache     A thread's magazines. Threads that have none (memory was out, or they
 *             are past their own destructor) use the shared cache under its lock.
 *
 * Memory order
 *   Magazines belong to their thread and need no order. Chains change threads through a depot,
 *   whose mutex orders them. A block freed by another thread than its allocator was handed over by
 *   the caller, whose hand-over orders it; it simply joins the freeing thread's magazine.
 *   A magazine's counts have one writer, its thread, and are relaxed. Live blocks are not counted: they
 *   are those cut from slabs that lie in no depot and in no magazine. Whoever asks adds that up, and the
 *   sum is exact once the other threads are quiet and the asker knows it.
 *
 * Accounts
 *   A thread may charge an account (budget.h) for what it allocates. The header of a live block names
 *   the account; that of a free block does not matter. Only a thread with a cache of its own charges:
 *   the shared one is for threads that are past the end of theirs, or for which memory was out.
 *
 * Ownership
 *   Slabs belong to the depots. Caches belong to their thread and are freed when it exits, after their
 *   chains went back to the depots. Blocks above the largest class are a malloc each, or a mapping each
 *   if they are sparse.
 *
 * Sparse blocks
 *   Their account is charged for pages that are said to be written (enetjs_pool_touch), because no others
 *   take memory. So they are mappings of their own, without huge pages.
 *
 * Trimming
 *   When much more is reserved than live, a trim takes all chains out of a depot, counts the blocks of each
 *   slab, frees the slabs that are complete and gives back the other blocks. It finds a block's slab in a
 *   sorted table. (Slabs aligned to their size would need none, but compete for the same cache lines:
 *   that cost 14 ns a message.) What lies in the magazines of
 *   other threads keeps its slabs: at most two chains a class and thread. A thread that allocates with
 *   a service empties its magazines once after each trim (enetjs_pool_relax).
 *
 * Locks are leaves: none is taken while another is held, except a depot's under the shared cache's or
 * the registry's, and any of them under that of the trim, which nobody waits for.
 */
#include "base/pool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#if defined(__linux__) && !defined(ENETJS_SYSTEM_MALLOC)
#include <sys/mman.h>
#endif
#ifndef _WIN32
#include <unistd.h>
#endif

#include "base/clock.h"
#include "base/threads.h"

/*
 * Keeps what is rare out of the functions that are called for every block: inlined there, it would
 * make them save registers they do not need.
 */
#ifdef _MSC_VER
#define NOINLINE __declspec(noinline)
#else
#define NOINLINE __attribute__((noinline))
#endif

enum {
  GRANULE = 16,
  LARGEST = 8192,
  CLASS_COUNT = 32,
  CLASS_SYSTEM = CLASS_COUNT, /* the block is a malloc of its own */
  CLASS_SPARSE,               /* and a mapping */
  SLAB_BYTES = 64 * 1024,     /* at least; a slab is a whole number of blocks */
  CHAIN_MAX = 32,
  CHAIN_MIN = 4,
  CHAIN_BYTES = 32 * 1024, /* keeps what a thread can hoard of a large class small */
  SYSTEM_OVERHEAD = 32,    /* of a block that is a malloc of its own: our header and malloc's */
  SLACK_BYTES = 4 << 20,   /* a trim must promise as much */
  TRIM_INTERVAL_US = 1000000
};

struct block {
  union {
    struct block *next; /* free */
    size_t size;        /* live, and a malloc of its own */
  };
  uint32_t class_index;
  uint32_t account; /* live: id of the account that is charged, or 0 */
};

_Static_assert(sizeof(struct block) == GRANULE,
               "a header keeps blocks aligned, given a 64-bit malloc, which aligns to 16");

/* In front of the header of a sparse block. */
struct sparse {
  size_t mapped;
  size_t charged; /* at most as much as for a block that is not sparse */
};

_Static_assert(sizeof(struct sparse) % GRANULE == 0, "the block behind it is aligned");

/* In the bytes behind the header of a chain's first block while it is in a depot. */
struct chain_link {
  struct block *next_chain;
  uint32_t count;
};

_Static_assert(sizeof(struct chain_link) <= GRANULE, "a chain's link fits in the smallest class");

struct slab {
  struct slab *next;
  uint32_t blocks;
  uint32_t found; /* by a trim that is under way */
};

_Static_assert(sizeof(struct slab) == GRANULE, "a slab's first block is aligned");

struct depot {
  enetjs_mutex mutex;
  struct block *chains;
  size_t chained_blocks;  /* in the chains */
  size_t detached_blocks; /* in the hands of a trim */
  struct slab *slabs;
  size_t slab_count;
  unsigned char *uncut;
  size_t uncut_blocks;
  size_t block_bytes;
  uint32_t chain_limit;
};

struct magazine {
  struct block *active;
  struct block *spare;          /* holds `limit` blocks, or is NULL */
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
  struct magazine magazines[CLASS_COUNT];
  struct cache *previous;
  struct cache *next;
};

static struct {
  struct depot depots[CLASS_COUNT];
  uint8_t class_of_granule[LARGEST / GRANULE];
  size_t page_bytes;

  enetjs_key key;
  bool has_key;

  enetjs_mutex shared_mutex;
  struct cache shared;

  enetjs_mutex registry_mutex; /* guards the list of caches, which begins with `shared` */

  _Atomic uint64_t reserved_bytes;
  _Atomic uint64_t chained_bytes; /* of the blocks in depots */
  _Atomic uint64_t system_blocks; /* live ones that are a malloc of their own */
  _Atomic uint64_t system_bytes;

  enetjs_mutex trim_mutex;
  _Atomic uint64_t trimmed_us;
  _Atomic uint32_t trims;
  _Atomic uint64_t high;                /* most bytes reserved since malloc was last asked to give back */
  _Atomic uint32_t pushes, pushes_seen; /* of chains to depots; until the last trim */
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

static void magazine_set_spare(struct magazine *magazine, struct block *chain) {
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

static void reserved_add(size_t bytes) {
  uint64_t now = atomic_fetch_add_explicit(&pool.reserved_bytes, bytes, memory_order_relaxed) + bytes;
  if (now > atomic_load_explicit(&pool.high, memory_order_relaxed))
    atomic_store_explicit(&pool.high, now, memory_order_relaxed); /* a guide, so a lost race does not matter */
}

/* ---- Depots ---------------------------------------------------------------------------------- */

static struct chain_link *chain_link_of(struct block *chain) { return (struct chain_link *)(chain + 1); }

static size_t blocks_of_slab(const struct depot *depot) {
  return (SLAB_BYTES + depot->block_bytes - 1) / depot->block_bytes;
}

static bool depot_grow(struct depot *depot) {
  size_t blocks = blocks_of_slab(depot);
  struct slab *slab = malloc(sizeof(*slab) + blocks * depot->block_bytes);
  if (!slab) return false;
  slab->next = depot->slabs;
  slab->blocks = (uint32_t)blocks;
  slab->found = 0;
  depot->slabs = slab;
  depot->uncut = (unsigned char *)(slab + 1);
  depot->uncut_blocks = slab->blocks;
  depot->slab_count++;
  reserved_add(sizeof(*slab) + blocks * depot->block_bytes);
  return true;
}

static struct block *depot_cut(struct depot *depot, uint32_t *count) {
  struct block *chain = NULL;
  if (depot->uncut_blocks == 0 && !depot_grow(depot)) return NULL;
  for (*count = 0; *count < depot->chain_limit && depot->uncut_blocks > 0; (*count)++) {
    struct block *block = (struct block *)depot->uncut;
    block->class_index = (uint32_t)(depot - pool.depots);
    block->next = chain;
    chain = block;
    depot->uncut += depot->block_bytes;
    depot->uncut_blocks--;
  }
  return chain;
}

/* Returns a chain and its length, or NULL when memory is out. */
static struct block *depot_pull(struct depot *depot, uint32_t *count) {
  struct block *chain;
  enetjs_mutex_lock(&depot->mutex);
  chain = depot->chains;
  if (chain) {
    *count = chain_link_of(chain)->count;
    depot->chains = chain_link_of(chain)->next_chain;
    depot->chained_blocks -= *count;
    counter_subtract(&pool.chained_bytes, *count * depot->block_bytes);
  } else {
    chain = depot_cut(depot, count);
  }
  enetjs_mutex_unlock(&depot->mutex);
  return chain;
}

/* With the depot locked. */
static void depot_link(struct depot *depot, struct block *chain, uint32_t count) {
  struct chain_link *link = chain_link_of(chain);
  link->count = count;
  link->next_chain = depot->chains;
  depot->chains = chain;
  depot->chained_blocks += count;
  counter_add(&pool.chained_bytes, count * depot->block_bytes);
}

static void depot_push(struct depot *depot, struct block *chain, uint32_t count) {
  enetjs_mutex_lock(&depot->mutex);
  depot_link(depot, chain, count);
  enetjs_mutex_unlock(&depot->mutex);
  atomic_fetch_add_explicit(&pool.pushes, 1, memory_order_relaxed);
}

/* ---- Caches ---------------------------------------------------------------------------------- */

static void cache_init_magazine(struct magazine *magazine, const struct depot *depot) {
  magazine->limit = depot->chain_limit;
  magazine->block_bytes = (uint32_t)depot->block_bytes;
}

static void cache_init(struct cache *cache) {
  *cache = (struct cache){0};
  for (unsigned i = 0; i < CLASS_COUNT; i++) cache_init_magazine(&cache->magazines[i], &pool.depots[i]);
}

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
  for (unsigned i = 0; i < CLASS_COUNT; i++) {
    struct magazine *magazine = &cache->magazines[i];
    if (magazine->active) depot_push(&pool.depots[i], magazine->active, magazine_count(magazine));
    if (magazine->spare) depot_push(&pool.depots[i], magazine->spare, magazine->limit);
  }
}

/* Other destructors of this thread may still allocate and free: they find `thread_exiting`. */
static void ENETJS_KEY_CALL cache_at_thread_exit(void *value) {
  struct cache *cache = value;
  thread_exiting = true;
  own_cache = NULL;
  cache_unregister(cache);
  cache_empty(cache);
  free(cache);
}

static size_t page_bytes(void) {
#ifdef _WIN32
  return 4096; /* there no block is sparse */
#else
  return (size_t)sysconf(_SC_PAGESIZE);
#endif
}

static void pool_setup(void) {
  size_t size = 0;
  size_t step = GRANULE;
  size_t granule = 0;
  for (unsigned i = 0; i < CLASS_COUNT; i++) {
    struct depot *depot = &pool.depots[i];
    uint32_t chain;
    if (size == 8 * step) step *= 2;
    size += step;
    chain = (uint32_t)(CHAIN_BYTES / size);
    depot->block_bytes = sizeof(struct block) + size;
    depot->chain_limit = chain > CHAIN_MAX ? CHAIN_MAX : chain < CHAIN_MIN ? CHAIN_MIN : chain;
    enetjs_mutex_init(&depot->mutex);
    for (; granule * GRANULE < size; granule++) pool.class_of_granule[granule] = (uint8_t)i;
  }
  pool.page_bytes = page_bytes();
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

static unsigned class_of(size_t size) { return pool.class_of_granule[(size - (size != 0)) / GRANULE]; }

static struct sparse *sparse_of(struct block *block) { return (struct sparse *)block - 1; }

static size_t cost_of(struct block *block) {
  if (block->class_index < CLASS_COUNT) return pool.depots[block->class_index].block_bytes;
  return block->class_index == CLASS_SPARSE ? sparse_of(block)->charged : block->size + SYSTEM_OVERHEAD;
}

static void block_charge(struct block *block, struct enetjs_account *account) {
  block->account = account ? account->id : 0;
  if (!account) return;
  account->sparse_blocks += block->class_index == CLASS_SPARSE;
  enetjs_account_add(account, cost_of(block));
}

static void block_discharge(struct block *block, size_t cost) {
  struct enetjs_account *account;
  if (!block->account) return;
  account = enetjs_account_of(block->account);
  account->sparse_blocks -= block->class_index == CLASS_SPARSE;
  enetjs_account_subtract(account, cost);
}

static void *magazine_take(struct cache *cache, struct magazine *magazine) {
  struct block *block = magazine->active;
  magazine->active = block->next;
  magazine_set_count(magazine, magazine_count(magazine) - 1);
  block->account = cache->account_id;
  cache->charged += magazine->block_bytes; /* goes nowhere while there is no account */
  return block + 1;
}

static void magazine_give(struct magazine *magazine, struct block *block) {
  block_discharge(block, magazine->block_bytes);
  block->next = magazine->active;
  magazine->active = block;
  magazine_set_count(magazine, magazine_count(magazine) + 1);
}

/* Gives a magazine without an active chain one; false when memory is out. */
static bool cache_refill(struct cache *cache, unsigned index) {
  struct magazine *magazine = &cache->magazines[index];
  uint32_t count = magazine->limit;
  magazine->active = magazine->spare;
  magazine_set_spare(magazine, NULL);
  if (!magazine->active) magazine->active = depot_pull(&pool.depots[index], &count);
  if (!magazine->active) return false;
  magazine_set_count(magazine, count);
  return true;
}

/* Makes a full active chain the spare one. */
static void cache_spill(struct cache *cache, unsigned index) {
  struct magazine *magazine = &cache->magazines[index];
  if (magazine->spare) depot_push(&pool.depots[index], magazine->spare, magazine->limit);
  magazine_set_spare(magazine, magazine->active);
  magazine->active = NULL;
  magazine_set_count(magazine, 0);
}

/* ---- Blocks that are a malloc or a mapping of their own --------------------------------------- */

/* The account that the thread charges. */
static struct enetjs_account *account_charged(void) {
  struct cache *cache = cache_enter();
  struct enetjs_account *account = cache->account;
  cache_leave(cache);
  return account;
}

#if defined(__linux__) && !defined(ENETJS_SYSTEM_MALLOC)
static void *map(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return NULL;
  (void)madvise(memory, bytes, MADV_NOHUGEPAGE); /* a kernel without huge pages refuses it */
  return memory;
}

static void unmap(void *memory, size_t bytes) { munmap(memory, bytes); }
#else
static void *map(size_t bytes) { return malloc(bytes); }

static void unmap(void *memory, size_t bytes) {
  (void)bytes;
  free(memory);
}
#endif

static bool sparse_expected(size_t size, size_t *written) {
  if (!own_cache || own_cache->sparse != size) return false;
  *written = own_cache->sparse_written;
  own_cache->sparse = 0;
  return true;
}

/* One page for the headers, and as many as the bytes lie in where they begin at the end of one. */
size_t enetjs_pool_sparse_cost(size_t size, size_t length) {
  size_t pages = length == 0 ? 1 : 3 + (length - 1) / pool.page_bytes, most = size + SYSTEM_OVERHEAD;
  return pages * pool.page_bytes < most ? pages * pool.page_bytes : most;
}

static struct block *sparse_create(size_t size, size_t written) {
  size_t bytes = sizeof(struct sparse) + sizeof(struct block) + size;
  struct sparse *sparse = map(bytes);
  struct block *block;
  if (!sparse) return NULL;
  sparse->mapped = bytes;
  sparse->charged = enetjs_pool_sparse_cost(size, written);
  block = (struct block *)(sparse + 1);
  block->class_index = CLASS_SPARSE;
  return block;
}

static struct block *system_create(size_t size) {
  struct block *block = malloc(sizeof(*block) + size);
  if (block) block->class_index = CLASS_SYSTEM;
  return block;
}

static void *system_take(size_t size) {
  struct block *block;
  size_t written;
  if (size > PTRDIFF_MAX - sizeof(struct sparse) - sizeof(*block)) return NULL;
  block = sparse_expected(size, &written) ? sparse_create(size, written) : system_create(size);
  if (!block) return NULL;
  block->size = size;
  reserved_add(sizeof(*block) + size);
  counter_add(&pool.system_blocks, 1);
  counter_add(&pool.system_bytes, size + SYSTEM_OVERHEAD);
  block_charge(block, account_charged());
  return block + 1;
}

static void system_give(struct block *block) {
  block_discharge(block, cost_of(block));
  counter_subtract(&pool.system_blocks, 1);
  counter_subtract(&pool.system_bytes, block->size + SYSTEM_OVERHEAD);
  counter_subtract(&pool.reserved_bytes, sizeof(*block) + block->size);
  if (block->class_index == CLASS_SPARSE)
    unmap(sparse_of(block), sparse_of(block)->mapped);
  else
    free(block);
}

void enetjs_pool_expect_sparse(size_t size, size_t written) {
  if (!own_cache || !own_cache->account) return;
  own_cache->sparse = size;
  own_cache->sparse_written = written;
}

size_t enetjs_pool_touch_cost(const void *memory, size_t offset, size_t length) {
  struct block *block = (struct block *)(uintptr_t)memory - 1;
  size_t begin = sizeof(struct sparse) + sizeof(*block) + offset, bytes, most;
  if (block->class_index != CLASS_SPARSE || length == 0) return 0;
  bytes = ((begin + length - 1) / pool.page_bytes - begin / pool.page_bytes + 1) * pool.page_bytes;
  most = block->size + SYSTEM_OVERHEAD - sparse_of(block)->charged;
  return bytes < most ? bytes : most;
}

void enetjs_pool_touch(void *memory, size_t offset, size_t length) {
  struct block *block = (struct block *)memory - 1;
  size_t cost = enetjs_pool_touch_cost(memory, offset, length);
  if (cost == 0) return;
  sparse_of(block)->charged += cost;
  if (block->account) enetjs_account_add(enetjs_account_of(block->account), cost);
}

/* ---- The pool -------------------------------------------------------------------------------- */

static NOINLINE void *take_slow(size_t size) {
  struct cache *cache;
  struct magazine *magazine;
  void *memory = NULL;
  if (size > LARGEST) return system_take(size);
  cache = cache_enter();
  magazine = &cache->magazines[class_of(size)];
  if (magazine->active || cache_refill(cache, class_of(size))) memory = magazine_take(cache, magazine);
  cache_leave(cache);
  return memory;
}

static NOINLINE void give_slow(struct block *block) {
  struct cache *cache;
  struct magazine *magazine;
  if (block->class_index >= CLASS_SYSTEM) {
    system_give(block);
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
  if (size > LARGEST || !cache) return take_slow(size);
  magazine = &cache->magazines[class_of(size)];
  if (!magazine->active) return take_slow(size);
  return magazine_take(cache, magazine);
}

static atomic_uint failures;

unsigned enetjs_pool_failures(void) { return atomic_load_explicit(&failures, memory_order_relaxed); }

static NOINLINE void *failed(void) {
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
  void *memory = test_says_no() ? NULL : system_take(size);
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
  struct block *block = (struct block *)memory - 1;
  block_discharge(block, cost_of(block));
  block_charge(block, account);
}

size_t enetjs_pool_cost(size_t size) {
#ifdef ENETJS_SYSTEM_MALLOC
  return size + SYSTEM_OVERHEAD;
#else
  return size > LARGEST ? size + SYSTEM_OVERHEAD : pool.depots[class_of(size)].block_bytes;
#endif
}

void enetjs_pool_free(void *memory) {
  struct cache *cache = own_cache;
  struct block *block;
  struct magazine *magazine;
  if (!memory) return;
  block = (struct block *)memory - 1;
  if (!cache || block->class_index >= CLASS_SYSTEM) {
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

static uint64_t load_u64(_Atomic uint64_t *value) { return atomic_load_explicit(value, memory_order_relaxed); }

static bool slabs_are_slack(void) {
  return 2 * load_u64(&pool.chained_bytes) > load_u64(&pool.reserved_bytes) + SLACK_BYTES &&
         atomic_load_explicit(&pool.pushes, memory_order_relaxed) !=
             atomic_load_explicit(&pool.pushes_seen, memory_order_relaxed);
}

static bool malloc_is_slack(void) { return load_u64(&pool.high) > load_u64(&pool.reserved_bytes) + SLACK_BYTES; }

bool enetjs_pool_slack(void) { return slabs_are_slack() || malloc_is_slack(); }

/* Gives back what the thread hoards; it stays in use. */
static void cache_flush(struct cache *cache) {
  cache_empty(cache);
  for (unsigned i = 0; i < CLASS_COUNT; i++) {
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

/* Calls visit for each block of the chains, which may change its link. */
static void chains_visit(struct block *chain, void (*visit)(struct block *, void *), void *context) {
  while (chain) {
    struct block *next_chain = chain_link_of(chain)->next_chain;
    while (chain) {
      struct block *next = chain->next;
      visit(chain, context);
      chain = next;
    }
    chain = next_chain;
  }
}

/* A trim of one depot: its slabs by address, and the blocks that stay. */
struct rest {
  struct slab **slabs;
  size_t slab_count, latest;
  size_t slab_bytes;
  struct depot *depot;
  struct block *chain;
  uint32_t count;
};

static int compare_slabs(const void *a, const void *b) {
  uintptr_t x = (uintptr_t) * (struct slab *const *)a, y = (uintptr_t) * (struct slab *const *)b;
  return x < y ? -1 : x > y;
}

static bool lies_in(const struct rest *rest, const struct block *block, size_t i) {
  return (uintptr_t)block - (uintptr_t)rest->slabs[i] < rest->slab_bytes;
}

/* Blocks of a chain mostly lie in the same slab. */
static struct slab *slab_of(struct rest *rest, const struct block *block) {
  size_t low = 0, high = rest->slab_count;
  if (lies_in(rest, block, rest->latest)) return rest->slabs[rest->latest];
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if ((uintptr_t)rest->slabs[middle] <= (uintptr_t)block)
      low = middle;
    else
      high = middle;
  }
  rest->latest = low;
  return rest->slabs[low];
}

static void count_block(struct block *block, void *context) { slab_of(context, block)->found++; }

static void rest_push(struct rest *rest) {
  if (!rest->chain) return;
  enetjs_mutex_lock(&rest->depot->mutex);
  depot_link(rest->depot, rest->chain, rest->count);
  rest->depot->detached_blocks -= rest->count;
  enetjs_mutex_unlock(&rest->depot->mutex);
  rest->chain = NULL;
  rest->count = 0;
}

static void keep_block(struct block *block, void *context) {
  struct rest *rest = context;
  const struct slab *slab = slab_of(rest, block);
  if (slab->found == slab->blocks) return;
  block->next = rest->chain;
  rest->chain = block;
  if (++rest->count == rest->depot->chain_limit) rest_push(rest);
}

/* Unlinks the slabs all of whose blocks were found, and forgets what was found of the others. @returns them */
static struct slab *depot_unlink(struct depot *depot) {
  struct slab *complete = NULL, **link;
  enetjs_mutex_lock(&depot->mutex);
  for (link = &depot->slabs; *link;) {
    struct slab *slab = *link;
    if (slab->found == slab->blocks) {
      *link = slab->next;
      depot->slab_count--;
      slab->next = complete;
      complete = slab;
    } else {
      slab->found = 0;
      link = &slab->next;
    }
  }
  depot->detached_blocks = 0; /* those that are left lay in the complete slabs */
  enetjs_mutex_unlock(&depot->mutex);
  return complete;
}

/* Takes the chains out of the depot, with a table of its slabs. @returns them; NULL if there are none */
static struct block *depot_detach(struct depot *depot, struct rest *rest) {
  struct block *chains = NULL;
  enetjs_mutex_lock(&depot->mutex);
  rest->slabs = depot->chains ? malloc(depot->slab_count * sizeof(struct slab *)) : NULL;
  if (rest->slabs) {
    for (struct slab *slab = depot->slabs; slab; slab = slab->next) rest->slabs[rest->slab_count++] = slab;
    chains = depot->chains;
    depot->chains = NULL;
    counter_subtract(&pool.chained_bytes, depot->chained_blocks * depot->block_bytes);
    depot->detached_blocks = depot->chained_blocks;
    depot->chained_blocks = 0;
  }
  enetjs_mutex_unlock(&depot->mutex);
  if (chains) qsort(rest->slabs, rest->slab_count, sizeof(struct slab *), compare_slabs);
  return chains;
}

/* While the chains are out of the depot, they are the trim's own; other threads cut new blocks meanwhile. */
static void depot_trim(struct depot *depot) {
  struct rest rest = {.depot = depot};
  struct block *chains = depot_detach(depot, &rest);
  struct slab *slab;
  if (!chains) return;
  rest.slab_bytes = sizeof(*slab) + blocks_of_slab(depot) * depot->block_bytes;
  chains_visit(chains, count_block, &rest);
  chains_visit(chains, keep_block, &rest);
  rest_push(&rest);
  slab = depot_unlink(depot);
  while (slab) {
    struct slab *next = slab->next;
    free(slab);
    counter_subtract(&pool.reserved_bytes, rest.slab_bytes);
    slab = next;
  }
  free(rest.slabs);
}

static void slabs_trim(void) {
  if (own_cache) cache_flush(own_cache);
  for (unsigned i = 0; i < CLASS_COUNT; i++) depot_trim(&pool.depots[i]);
  atomic_store_explicit(&pool.pushes_seen, atomic_load_explicit(&pool.pushes, memory_order_relaxed),
                        memory_order_relaxed);
  atomic_fetch_add_explicit(&pool.trims, 1, memory_order_relaxed);
}

void enetjs_pool_trim(void) {
  uint64_t now;
  if (!enetjs_pool_slack() || !enetjs_mutex_trylock(&pool.trim_mutex)) return;
  now = enetjs_clock_us();
  if (now - load_u64(&pool.trimmed_us) >= TRIM_INTERVAL_US) {
    atomic_store_explicit(&pool.trimmed_us, now, memory_order_relaxed);
    if (slabs_are_slack()) slabs_trim();
    if (malloc_is_slack()) {
#if defined(__GLIBC__)
      malloc_trim(0);
#endif
      atomic_store_explicit(&pool.high, load_u64(&pool.reserved_bytes), memory_order_relaxed);
    }
  }
  enetjs_mutex_unlock(&pool.trim_mutex);
}

/* ---- Statistics ------------------------------------------------------------------------------ */

/* Blocks of a class that lie in no depot, and are not being trimmed; with the registry locked. */
static size_t depot_drawn(struct depot *depot) {
  size_t drawn;
  enetjs_mutex_lock(&depot->mutex);
  drawn = depot->slab_count * blocks_of_slab(depot) - depot->uncut_blocks - depot->chained_blocks -
          depot->detached_blocks;
  enetjs_mutex_unlock(&depot->mutex);
  return drawn;
}

/* Of those, the ones that lie in no magazine either. While other threads run, a block may be seen twice. */
static size_t class_live(unsigned index) {
  size_t drawn = depot_drawn(&pool.depots[index]);
  size_t held = 0;
  for (struct cache *cache = &pool.shared; cache; cache = cache->next) held += magazine_blocks(&cache->magazines[index]);
  return drawn > held ? drawn - held : 0;
}

void enetjs_pool_stats(struct enetjs_pool_stats *stats) {
  enetjs_once_run(&pool_once, pool_setup);
  stats->reserved_bytes = load_u64(&pool.reserved_bytes);
  stats->live_allocations = load_u64(&pool.system_blocks);
  stats->live_bytes = load_u64(&pool.system_bytes);
  enetjs_mutex_lock(&pool.registry_mutex);
  for (unsigned i = 0; i < CLASS_COUNT; i++) {
    size_t live = class_live(i);
    stats->live_allocations += live;
    stats->live_bytes += live * pool.depots[i].block_bytes;
  }
  enetjs_mutex_unlock(&pool.registry_mutex);
}
