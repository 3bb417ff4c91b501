/*
 * See own_block.h. A sparse block has a record in front of its header: its mapping, and what is charged.
 *
 * Invariant: a sparse block is charged at most what another block of its size would be.
 */
#include "base/own_block.h"

#include <stdlib.h>
#if defined(__linux__) && !defined(ENETJS_SYSTEM_MALLOC)
#include <sys/mman.h>
#endif
#ifndef _WIN32
#include <unistd.h>
#endif

#ifdef ENETJS_MIMALLOC
#include <mimalloc.h>
#define ALLOCATE mi_malloc
#define RELEASE mi_free
#else
#define ALLOCATE malloc
#define RELEASE free
#endif

/* In front of the header of a sparse block. */
struct sparse {
  size_t mapped;
  size_t charged;
};

_Static_assert(sizeof(struct sparse) % ENETJS_BLOCK_GRANULE == 0, "the block behind it is aligned");

static size_t page_bytes;

static _Atomic uint64_t live_blocks, live_bytes;

static void count(uint64_t blocks, uint64_t bytes) {
  atomic_fetch_add_explicit(&live_blocks, blocks, memory_order_relaxed);
  atomic_fetch_add_explicit(&live_bytes, bytes, memory_order_relaxed);
}

static void count_created(const struct enetjs_block *block) {
  enetjs_reserved_add(sizeof(*block) + block->size);
  count(1, block->size + ENETJS_OWN_BLOCK_OVERHEAD);
}

static void count_destroyed(const struct enetjs_block *block) {
  count((uint64_t)-1, (uint64_t)0 - (block->size + ENETJS_OWN_BLOCK_OVERHEAD)); /* modulo 2^64 */
  enetjs_reserved_subtract(sizeof(*block) + block->size);
}

void enetjs_own_blocks_live(uint64_t *blocks, uint64_t *bytes) {
  *blocks = atomic_load_explicit(&live_blocks, memory_order_relaxed);
  *bytes = atomic_load_explicit(&live_bytes, memory_order_relaxed);
}

void enetjs_own_blocks_initialize(void) {
#ifdef _WIN32
  page_bytes = 4096; /* only counts: on Windows a sparse block is a malloc */
#else
  page_bytes = (size_t)sysconf(_SC_PAGESIZE);
#endif
}

#if defined(__linux__) && !defined(ENETJS_SYSTEM_MALLOC)
static void *map(size_t bytes) {
  void *memory =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
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

static struct sparse *sparse_of(const struct enetjs_block *block) {
  return (struct sparse *)(uintptr_t)block - 1;
}

static bool is_too_large(size_t size) {
  return size > PTRDIFF_MAX - sizeof(struct sparse) - sizeof(struct enetjs_block);
}

static struct enetjs_block *allocate(size_t size, uint32_t class_index) {
  struct enetjs_block *block = is_too_large(size) ? NULL : ALLOCATE(sizeof(*block) + size);
  if (!block) return NULL;
  block->class_index = class_index;
  block->size = size;
  return block;
}

struct enetjs_block *enetjs_own_block_create(size_t size) {
  struct enetjs_block *block = allocate(size, ENETJS_BLOCK_OWN);
  if (block) count_created(block);
  return block;
}

#ifdef ENETJS_PLAIN_BLOCKS
struct enetjs_block *enetjs_plain_block_create(size_t size) { return allocate(size, ENETJS_BLOCK_PLAIN); }

void enetjs_plain_block_destroy(struct enetjs_block *block) { RELEASE(block); }

void enetjs_own_blocks_adopt(uint64_t blocks, uint64_t bytes) { count(blocks, bytes); }
#endif

struct enetjs_block *enetjs_own_block_create_sparse(size_t size, size_t written) {
  size_t bytes = sizeof(struct sparse) + sizeof(struct enetjs_block) + size;
  struct sparse *sparse = is_too_large(size) ? NULL : map(bytes);
  struct enetjs_block *block;
  if (!sparse) return NULL;
  sparse->mapped = bytes;
  sparse->charged = enetjs_own_block_sparse_cost(size, written);
  block = (struct enetjs_block *)(sparse + 1);
  block->class_index = ENETJS_BLOCK_SPARSE;
  block->size = size;
  count_created(block);
  return block;
}

void enetjs_own_block_destroy(struct enetjs_block *block) {
  count_destroyed(block);
  if (block->class_index == ENETJS_BLOCK_SPARSE)
    unmap(sparse_of(block), sparse_of(block)->mapped);
  else
    RELEASE(block);
}

size_t enetjs_own_block_cost(const struct enetjs_block *block) {
  return block->class_index == ENETJS_BLOCK_SPARSE ? sparse_of(block)->charged
                                                   : block->size + ENETJS_OWN_BLOCK_OVERHEAD;
}

/* One page for the headers, and those that the bytes lie in if they begin at the end of a page. */
size_t enetjs_own_block_sparse_cost(size_t size, size_t written) {
  size_t pages = written == 0 ? 1 : 3 + (written - 1) / page_bytes, most = size + ENETJS_OWN_BLOCK_OVERHEAD;
  return pages * page_bytes < most ? pages * page_bytes : most;
}

size_t enetjs_own_block_touch_cost(const struct enetjs_block *block, size_t offset, size_t length) {
  size_t begin = sizeof(struct sparse) + sizeof(*block) + offset, bytes, most;
  if (block->class_index != ENETJS_BLOCK_SPARSE || length == 0) return 0;
  bytes = ((begin + length - 1) / page_bytes - begin / page_bytes + 1) * page_bytes;
  most = block->size + ENETJS_OWN_BLOCK_OVERHEAD - sparse_of(block)->charged;
  return bytes < most ? bytes : most;
}

void enetjs_own_block_touch(struct enetjs_block *block, size_t cost) { sparse_of(block)->charged += cost; }
