/*
 * See depot.h. A slab belongs to a depot and is one malloc. A chain that lies in a depot carries its link and
 * its length behind the header of its first block.
 *
 * Trimming
 *   A trim takes all chains out of a depot and counts the blocks of each slab. It frees the slabs of which it
 *   has found every block, and puts the other blocks back. So a block that a thread holds keeps its slab. The
 *   slab of a block is looked up in a sorted table. (Slabs aligned to their size would need no table, but
 *   they compete for the same cache lines: that cost 14 ns a message.)
 *
 * Invariants: no other thread sees chains that a trim has taken out. No other lock is taken under that of a
 * depot.
 */
#include "base/depot.h"

#include <stdlib.h>

enum {
  SLAB_BYTES = 64 * 1024, /* at least; a slab is a whole number of blocks */
  CHAIN_MAX = 32,
  CHAIN_MIN = 4,
  CHAIN_BYTES = 32 * 1024, /* keeps what a thread can hoard of a large class small */
  SLACK_BYTES = 4 << 20    /* a trim is worth while from so much on */
};

/* In the bytes behind the header of a chain's first block while the chain is in a depot. */
struct chain_link {
  struct enetjs_block *next_chain;
  uint32_t count;
};

_Static_assert(sizeof(struct chain_link) <= ENETJS_BLOCK_GRANULE,
               "a chain's link fits in the smallest class");

struct enetjs_slab {
  struct enetjs_slab *next;
  uint32_t blocks;
  uint32_t found; /* blocks that the current trim has found in chains */
};

_Static_assert(sizeof(struct enetjs_slab) == ENETJS_BLOCK_GRANULE, "a slab's first block is aligned");

struct enetjs_depot enetjs_depots[ENETJS_BLOCK_CLASSES];
uint8_t enetjs_class_of_granule[ENETJS_BLOCK_LARGEST / ENETJS_BLOCK_GRANULE];

/* ---- Counters -------------------------------------------------------------------------------- */

static _Atomic uint64_t reserved_bytes;
static _Atomic uint64_t reserved_peak;
static _Atomic uint64_t chained_bytes;       /* of the blocks in depots */
static _Atomic uint32_t pushes, pushes_seen; /* chains brought to depots: ever, and until the last trim */

static uint64_t load(_Atomic uint64_t *counter) {
  return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add(_Atomic uint64_t *counter, uint64_t change) {
  atomic_fetch_add_explicit(counter, change, memory_order_relaxed);
}

static void subtract(_Atomic uint64_t *counter, uint64_t change) {
  atomic_fetch_sub_explicit(counter, change, memory_order_relaxed);
}

void enetjs_reserved_add(size_t bytes) {
  uint64_t now = atomic_fetch_add_explicit(&reserved_bytes, bytes, memory_order_relaxed) + bytes;
  if (now > load(&reserved_peak))
    /* a guide, so a lost race does not matter */
    atomic_store_explicit(&reserved_peak, now, memory_order_relaxed);
}

void enetjs_reserved_subtract(size_t bytes) { subtract(&reserved_bytes, bytes); }

uint64_t enetjs_reserved_bytes(void) { return load(&reserved_bytes); }

uint64_t enetjs_reserved_peak(void) { return load(&reserved_peak); }

void enetjs_reserved_forget_peak(void) {
  atomic_store_explicit(&reserved_peak, load(&reserved_bytes), memory_order_relaxed);
}

/* ---- Chains ---------------------------------------------------------------------------------- */

static struct chain_link *chain_link_of(struct enetjs_block *chain) {
  return (struct chain_link *)(chain + 1);
}

static size_t blocks_of_slab(const struct enetjs_depot *depot) {
  return (SLAB_BYTES + depot->block_bytes - 1) / depot->block_bytes;
}

static bool depot_grow(struct enetjs_depot *depot) {
  size_t blocks = blocks_of_slab(depot);
  struct enetjs_slab *slab = malloc(sizeof(*slab) + blocks * depot->block_bytes);
  if (!slab) return false;
  slab->next = depot->slabs;
  slab->blocks = (uint32_t)blocks;
  slab->found = 0;
  depot->slabs = slab;
  depot->uncut = (unsigned char *)(slab + 1);
  depot->uncut_blocks = slab->blocks;
  depot->slab_count++;
  enetjs_reserved_add(sizeof(*slab) + blocks * depot->block_bytes);
  return true;
}

static struct enetjs_block *depot_cut(struct enetjs_depot *depot, uint32_t *count) {
  struct enetjs_block *chain = NULL;
  if (depot->uncut_blocks == 0 && !depot_grow(depot)) return NULL;
  for (*count = 0; *count < depot->chain_limit && depot->uncut_blocks > 0; (*count)++) {
    struct enetjs_block *block = (struct enetjs_block *)depot->uncut;
    block->class_index = (uint32_t)(depot - enetjs_depots);
    block->next = chain;
    chain = block;
    depot->uncut += depot->block_bytes;
    depot->uncut_blocks--;
  }
  return chain;
}

struct enetjs_block *enetjs_depot_pull(unsigned index, uint32_t *count) {
  struct enetjs_depot *depot = &enetjs_depots[index];
  struct enetjs_block *chain;
  enetjs_mutex_lock(&depot->mutex);
  chain = depot->chains;
  if (chain) {
    *count = chain_link_of(chain)->count;
    depot->chains = chain_link_of(chain)->next_chain;
    depot->chained_blocks -= *count;
    subtract(&chained_bytes, *count * depot->block_bytes);
  } else {
    chain = depot_cut(depot, count);
  }
  enetjs_mutex_unlock(&depot->mutex);
  return chain;
}

/* With the depot locked. */
static void depot_link(struct enetjs_depot *depot, struct enetjs_block *chain, uint32_t count) {
  struct chain_link *link = chain_link_of(chain);
  link->count = count;
  link->next_chain = depot->chains;
  depot->chains = chain;
  depot->chained_blocks += count;
  add(&chained_bytes, count * depot->block_bytes);
}

void enetjs_depot_push(unsigned index, struct enetjs_block *chain, uint32_t count) {
  struct enetjs_depot *depot = &enetjs_depots[index];
  enetjs_mutex_lock(&depot->mutex);
  depot_link(depot, chain, count);
  enetjs_mutex_unlock(&depot->mutex);
  atomic_fetch_add_explicit(&pushes, 1, memory_order_relaxed);
}

size_t enetjs_depot_drawn(unsigned index) {
  struct enetjs_depot *depot = &enetjs_depots[index];
  size_t drawn;
  enetjs_mutex_lock(&depot->mutex);
  drawn = depot->slab_count * blocks_of_slab(depot) - depot->uncut_blocks - depot->chained_blocks -
          depot->detached_blocks;
  enetjs_mutex_unlock(&depot->mutex);
  return drawn;
}

void enetjs_depots_initialize(void) {
  size_t size = 0, step = ENETJS_BLOCK_GRANULE, granule = 0;
  for (unsigned i = 0; i < ENETJS_BLOCK_CLASSES; i++) {
    struct enetjs_depot *depot = &enetjs_depots[i];
    uint32_t chain;
    if (size == 8 * step) step *= 2;
    size += step;
    chain = (uint32_t)(CHAIN_BYTES / size);
    depot->block_bytes = sizeof(struct enetjs_block) + size;
    depot->chain_limit = chain > CHAIN_MAX ? CHAIN_MAX : chain < CHAIN_MIN ? CHAIN_MIN : chain;
    enetjs_mutex_init(&depot->mutex);
    for (; granule * ENETJS_BLOCK_GRANULE < size; granule++) enetjs_class_of_granule[granule] = (uint8_t)i;
  }
}

/* ---- Trimming -------------------------------------------------------------------------------- */

/* Calls `visit` for each block of the chains; `visit` may change the link of the block. */
static void chains_visit(struct enetjs_block *chain, void (*visit)(struct enetjs_block *, void *),
                         void *context) {
  while (chain) {
    struct enetjs_block *next_chain = chain_link_of(chain)->next_chain;
    while (chain) {
      struct enetjs_block *next = chain->next;
      visit(chain, context);
      chain = next;
    }
    chain = next_chain;
  }
}

/* A trim of one depot: its slabs by address, and the blocks that stay. */
struct rest {
  struct enetjs_slab **slabs;
  size_t slab_count, latest;
  size_t slab_bytes;
  struct enetjs_depot *depot;
  struct enetjs_block *chain;
  uint32_t count;
};

static int compare_slabs(const void *a, const void *b) {
  uintptr_t x = (uintptr_t)*(struct enetjs_slab *const *)a, y = (uintptr_t)*(struct enetjs_slab *const *)b;
  return x < y ? -1 : x > y;
}

static bool lies_in(const struct rest *rest, const struct enetjs_block *block, size_t i) {
  return (uintptr_t)block - (uintptr_t)rest->slabs[i] < rest->slab_bytes;
}

/* Blocks of a chain mostly lie in the same slab. */
static struct enetjs_slab *slab_of(struct rest *rest, const struct enetjs_block *block) {
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

static void count_block(struct enetjs_block *block, void *context) { slab_of(context, block)->found++; }

static void rest_push(struct rest *rest) {
  if (!rest->chain) return;
  enetjs_mutex_lock(&rest->depot->mutex);
  depot_link(rest->depot, rest->chain, rest->count);
  rest->depot->detached_blocks -= rest->count;
  enetjs_mutex_unlock(&rest->depot->mutex);
  rest->chain = NULL;
  rest->count = 0;
}

static void keep_block(struct enetjs_block *block, void *context) {
  struct rest *rest = context;
  const struct enetjs_slab *slab = slab_of(rest, block);
  if (slab->found == slab->blocks) return;
  block->next = rest->chain;
  rest->chain = block;
  if (++rest->count == rest->depot->chain_limit) rest_push(rest);
}

/*
 * Unlinks the slabs all of whose blocks were found, and forgets what was found of the others. @returns them
 */
static struct enetjs_slab *depot_unlink(struct enetjs_depot *depot) {
  struct enetjs_slab *complete = NULL, **link;
  enetjs_mutex_lock(&depot->mutex);
  for (link = &depot->slabs; *link;) {
    struct enetjs_slab *slab = *link;
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
  depot->detached_blocks = 0; /* the last of them lay in the complete slabs, all others are back */
  enetjs_mutex_unlock(&depot->mutex);
  return complete;
}

/* Takes the chains out of the depot, with a table of its slabs. @returns them; NULL if there are none */
static struct enetjs_block *depot_detach(struct enetjs_depot *depot, struct rest *rest) {
  struct enetjs_block *chains = NULL;
  enetjs_mutex_lock(&depot->mutex);
  rest->slabs = depot->chains ? malloc(depot->slab_count * sizeof(struct enetjs_slab *)) : NULL;
  if (rest->slabs) {
    for (struct enetjs_slab *slab = depot->slabs; slab; slab = slab->next)
      rest->slabs[rest->slab_count++] = slab;
    chains = depot->chains;
    depot->chains = NULL;
    subtract(&chained_bytes, depot->chained_blocks * depot->block_bytes);
    depot->detached_blocks = depot->chained_blocks;
    depot->chained_blocks = 0;
  }
  enetjs_mutex_unlock(&depot->mutex);
  if (chains) qsort(rest->slabs, rest->slab_count, sizeof(struct enetjs_slab *), compare_slabs);
  return chains;
}

/* While the chains are out of the depot, other threads cut new blocks from its slabs. */
static void depot_trim(struct enetjs_depot *depot) {
  struct rest rest = {.depot = depot};
  struct enetjs_block *chains = depot_detach(depot, &rest);
  struct enetjs_slab *slab;
  if (!chains) return;
  rest.slab_bytes = sizeof(*slab) + blocks_of_slab(depot) * depot->block_bytes;
  chains_visit(chains, count_block, &rest);
  chains_visit(chains, keep_block, &rest);
  rest_push(&rest);
  slab = depot_unlink(depot);
  while (slab) {
    struct enetjs_slab *next = slab->next;
    free(slab);
    enetjs_reserved_subtract(rest.slab_bytes);
    slab = next;
  }
  free(rest.slabs);
}

bool enetjs_depots_slack(void) {
  return 2 * load(&chained_bytes) > load(&reserved_bytes) + SLACK_BYTES &&
         atomic_load_explicit(&pushes, memory_order_relaxed) !=
             atomic_load_explicit(&pushes_seen, memory_order_relaxed);
}

void enetjs_depots_trim(void) {
  for (unsigned i = 0; i < ENETJS_BLOCK_CLASSES; i++) depot_trim(&enetjs_depots[i]);
  atomic_store_explicit(&pushes_seen, atomic_load_explicit(&pushes, memory_order_relaxed),
                        memory_order_relaxed);
}
