/**
 * @file charge.h
 * @brief Which account a block of no size class is charged to, for the pool's own files. pool.h has the rest.
 *
 * Called with the lock of the account's host held, where the block has an account.
 */
#ifndef ENETJS_CHARGE_H
#define ENETJS_CHARGE_H

#include "base/budget.h"
#include "base/depot.h"

/** Charges an account, or NULL for none, for a block that has no account. */
void enetjs_block_charge(struct enetjs_block *block, struct enetjs_account *account);
/** Takes `cost` bytes off the account of a block, if it has one. */
void enetjs_block_discharge(struct enetjs_block *block, size_t cost);
/** @returns what an account is charged for the block */
size_t enetjs_block_cost(const struct enetjs_block *block);

#endif
