/*
 * The functions of socket.h on systems other than Linux. There libenet's calls cannot be redirected to this
 * library, so no host has a batch, and ENet's own socket functions send and receive. Any thread may call.
 */
#include "wire/socket.h"

#if !defined(__linux__)

int enetjs_batch_arrives(void) { return 0; }

struct enetjs_batch *enetjs_batch_create(const struct enetjs_batch_parts *parts) {
  (void)parts;
  return NULL;
}

void enetjs_batch_destroy(struct enetjs_batch *batch) { (void)batch; }
void enetjs_batch_set_conditions(struct enetjs_batch *batch, struct enetjs_conditions *conditions) {
  (void)batch, (void)conditions;
}

struct enetjs_conditions *enetjs_batch_conditions(const struct enetjs_batch *batch) {
  (void)batch;
  return NULL;
}

void enetjs_batch_set_security(struct enetjs_batch *batch, struct enetjs_security *security) {
  (void)batch, (void)security;
}

void enetjs_batch_put(struct enetjs_batch *batch, const struct enetjs_endpoint *to, const uint8_t *bytes,
                      size_t length) {
  (void)batch, (void)to, (void)bytes, (void)length;
}

int enetjs_batch_wait(const struct enetjs_batch *batch) {
  (void)batch;
  return -1;
}

int enetjs_batch_send(struct enetjs_batch *batch, const struct enetjs_endpoint *to,
                      const ENetBuffer *buffer) {
  (void)batch, (void)to, (void)buffer;
  return -1;
}

void enetjs_batch_begin(struct enetjs_batch *batch) { (void)batch; }
void enetjs_batch_end(struct enetjs_batch *batch) { (void)batch; }

bool enetjs_batch_prefetched(const struct enetjs_batch *batch) {
  (void)batch;
  return false;
}

void enetjs_batch_stop(struct enetjs_batch *batch) { (void)batch; }

bool enetjs_batch_unread(const struct enetjs_batch *batch) {
  (void)batch;
  return false;
}

unsigned enetjs_batch_take_source_changes(struct enetjs_batch *batch) {
  (void)batch;
  return 0;
}

#endif
