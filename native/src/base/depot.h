/**
 * @file depot.h
 * @brief The pool's blocks that no thread holds: size classes, slabs, and chains of free blocks.
 *
 * A block is a header of 16 bytes and the caller's bytes. The header of a free block links it into a chain.
 * Each size class has a depot: its slabs, chains of free blocks, and the part of the newest slab that has not
 * been cut into blocks. Threads take and bring whole chains (cache.h).
 *
 * Any thread may call. Each depot has a mutex, which also orders the memory of blocks that change threads.
 */
#ifndef ENETJS_DEPOT_H
#define ENETJS_DEPOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/threads.h"

/*
 * Keeps rare work out of the functions that are called for every block. Inlined there, it would make them
 * save registers that they do not need.
 */
#ifdef _MSC_VER
#define ENETJS_NOINLINE __declspec(noinline)
#else
#define ENETJS_NOINLINE __attribute__((noinline))
#endif

enum {
  ENETJS_BLOCK_GRANULE = 16,
  ENETJS_BLOCK_LARGEST = 8192, /* of the size classes */
  ENETJS_BLOCK_CLASSES = 32,
  ENETJS_BLOCK_OWN = ENETJS_BLOCK_CLASSES, /* as a class: the block is a malloc of its own */
  ENETJS_BLOCK_SPARSE,                     /* as a class: the block is a mapping of its own */
  ENETJS_BLOCK_PLAIN /* as a class: the block is small and of another allocator (plain.h) */
};

struct enetjs_block {
  union {
    struct enetjs_block *next; /* free */
    size_t size;               /* live, and of no size class */
  };
  uint32_t class_index;
  uint32_t account; /* live: the id of the account that is charged, or 0 */
};

_Static_assert(sizeof(struct enetjs_block) == ENETJS_BLOCK_GRANULE,
               "a header keeps blocks aligned, given a 64-bit malloc, which aligns to 16");

struct enetjs_slab;

struct enetjs_depot {
  enetjs_mutex mutex;
  struct enetjs_block *chains;
  size_t chained_blocks;  /* in the chains */
  size_t detached_blocks; /* taken out by a trim that is under way */
  struct enetjs_slab *slabs;
  size_t slab_count;
  unsigned char *uncut; /* the part of the newest slab that has not been cut into blocks */
  size_t uncut_blocks;
  size_t block_bytes;   /* constant, with the header */
  uint32_t chain_limit; /* constant: blocks of a full chain */
};

extern struct enetjs_depot enetjs_depots[ENETJS_BLOCK_CLASSES];
extern uint8_t enetjs_class_of_granule[ENETJS_BLOCK_LARGEST / ENETJS_BLOCK_GRANULE];

/** Once, before anything else here. */
void enetjs_depots_initialize(void);

static inline unsigned enetjs_block_class_of(size_t size) {
  return enetjs_class_of_granule[(size - (size != 0)) / ENETJS_BLOCK_GRANULE];
}

/**
 * Takes a chain out of a depot, or cuts one. @returns it, with its length in *count, or NULL when memory is
 * out
 */
struct enetjs_block *enetjs_depot_pull(unsigned index, uint32_t *count);
/** Brings a chain. */
void enetjs_depot_push(unsigned index, struct enetjs_block *chain, uint32_t count);

/** @returns how many blocks of a class lie in no depot, and are not being trimmed */
size_t enetjs_depot_drawn(unsigned index);

/** Whether a trim of the depots would give back much. A few loads; true at most until a trim. */
bool enetjs_depots_slack(void);
/** Frees the slabs all of whose blocks lie in depots. One thread at a time. Visits every free block. */
void enetjs_depots_trim(void);

/* ---- Bytes taken from the system for blocks of any kind -------------------------------------- */

void enetjs_reserved_add(size_t bytes);
void enetjs_reserved_subtract(size_t bytes);
uint64_t enetjs_reserved_bytes(void);
/** @returns the most bytes reserved since the last call of enetjs_reserved_forget_peak */
uint64_t enetjs_reserved_peak(void);
void enetjs_reserved_forget_peak(void);

#endif
