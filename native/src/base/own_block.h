/**
 * @file own_block.h
 * @brief Blocks of no size class: each is a malloc of its own, or a mapping of its own if it is sparse.
 *
 * A sparse block is large and mostly never written, such as ENet's bitmap of the fragments of a message. Only
 * the pages that are written take memory, and only these are charged to an account (charge.c). So a sparse
 * block is a mapping, without huge pages.
 *
 * Any thread may call. Two calls for the same block must not run at once.
 */
#ifndef ENETJS_OWN_BLOCK_H
#define ENETJS_OWN_BLOCK_H

#include "base/depot.h"

#define ENETJS_OWN_BLOCK_OVERHEAD ((size_t)32) /* our header and malloc's */

/** Once, before anything else here. */
void enetjs_own_blocks_initialize(void);

/** @returns a block for `size` bytes, with its class and size set, or NULL when memory is out */
struct enetjs_block *enetjs_own_block_create(size_t size);
/** The same, sparse. @param written how many bytes will be written into it at once */
struct enetjs_block *enetjs_own_block_create_sparse(size_t size, size_t written);
void enetjs_own_block_destroy(struct enetjs_block *block);
/** Counts the live ones, and the memory that they take. */
void enetjs_own_blocks_live(uint64_t *blocks, uint64_t *bytes);

/** @returns what an account is charged for the block now */
size_t enetjs_own_block_cost(const struct enetjs_block *block);

/** @returns what an account is charged for a sparse block at first */
size_t enetjs_own_block_sparse_cost(size_t size, size_t written);
/**
 * @returns what an account would be charged for bytes that are about to be written; 0 where the block is not
 * sparse
 */
size_t enetjs_own_block_touch_cost(const struct enetjs_block *block, size_t offset, size_t length);
/** Counts that cost as charged. */
void enetjs_own_block_touch(struct enetjs_block *block, size_t cost);

#ifdef ENETJS_PLAIN_BLOCKS
/**
 * The same as enetjs_own_block_create and _destroy, but of the class of plain blocks, which are not counted
 * here.
 */
struct enetjs_block *enetjs_plain_block_create(size_t size);
void enetjs_plain_block_destroy(struct enetjs_block *block);
/** Counts the plain blocks of a thread that ends, which may outlive it. */
void enetjs_own_blocks_adopt(uint64_t blocks, uint64_t bytes);
#endif

#endif
