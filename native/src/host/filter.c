/*
 * What the program says about who may send: the rules of the address filter, and its answers to the questions of
 * the gate. The decisions themselves are in wire/filter.c and wire/gate.c. The consumer's thread calls all of it.
 */
#include "wire/filter.h"

#include "host/internal.h"
#include "wire/gate.h"
#include "wire/socket.h"

double enetjs_host_set_filter(double host, const uint8_t *rules, double bytes) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (rules && enetjs_is_integer(bytes / 12, 0, ENETJS_MAXIMUM_FILTER_RULES))
    result = enetjs_filter_replace(&h->filter, rules, (size_t)(bytes / 12));
  enetjs_host_release(h);
  return result;
}

static double replace_gate(struct enetjs_host *h, bool open, bool passes) {
  enetjs_batch_set_gate(h->batch, NULL);
  enetjs_gate_destroy(h->gate);
  h->gate = open ? enetjs_gate_create(passes) : NULL;
  enetjs_batch_set_gate(h->batch, h->gate);
  return open && !h->gate ? ENETJS_ERR_MEMORY : 0;
}

double enetjs_gate_open(double host, double open) {
  bool passes = enetjs_batch_arrives() > 0;
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (enetjs_is_integer(open, 0, 1)) result = replace_gate(h, open == 1, passes);
  enetjs_host_release(h);
  return result;
}

double enetjs_gate_next(double host) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result;
  if (!h) return ENETJS_ERR_CLOSED;
  result = enetjs_gate_asks(h->gate) ? (double)enetjs_gate_question(h->gate) : ENETJS_ERR_STALE;
  enetjs_host_release(h);
  return result;
}

double enetjs_gate_answer(double host, double question, double allowed) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result = 0;
  if (!h) return ENETJS_ERR_CLOSED;
  if (!enetjs_is_integer(allowed, 0, 1))
    result = ENETJS_ERR_ARGUMENT;
  else if (!enetjs_gate_asks(h->gate) || (double)enetjs_gate_question(h->gate) != question)
    result = ENETJS_ERR_STALE;
  else
    enetjs_gate_decide(h->gate, allowed == 1);
  enetjs_host_release(h);
  return result;
}
