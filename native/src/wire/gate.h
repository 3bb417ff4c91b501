/**
 * @file gate.h
 * @brief A filter whose decisions are the program's: it is asked about each source address once.
 *
 * Called with the lock of the host that the gate belongs to.
 */
#ifndef ENETJS_GATE_H
#define ENETJS_GATE_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct enetjs_gate;

/**
 * @param passes whether ENet's receive calls arrive in socket.c, which can hand it what has waited; else the first
 * datagram of an address is dropped
 * @returns NULL when there is no memory
 */
struct enetjs_gate *enetjs_gate_create(bool passes);
void enetjs_gate_destroy(struct enetjs_gate *gate);

/** Whether the datagram that ENet has received may pass. @param address its source, in host byte order */
bool enetjs_gate_admits(struct enetjs_gate *gate, const ENetHost *enet, uint32_t address);

/** Whether a question waits for its answer. @param gate or NULL */
bool enetjs_gate_asks(const struct enetjs_gate *gate);

/** The address of the oldest question, times 65536, and its port. Only while the gate asks. */
uint64_t enetjs_gate_question(const struct enetjs_gate *gate);

/** Answers the oldest question. Only while the gate asks. */
void enetjs_gate_decide(struct enetjs_gate *gate, bool allowed);

/** Takes a datagram that has waited and may pass. @returns its length, or 0 */
size_t enetjs_gate_take(struct enetjs_gate *gate, ENetAddress *address, ENetBuffer *buffer);

#endif
