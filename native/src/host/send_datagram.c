/*
 * Datagrams that are not ENet's, as the program sends them. They leave by the host's socket, so they come
 * from its address. Called by the consumer's thread.
 */
#include "host/internal.h"
#include "wire/addresses.h"
#include "wire/socket.h"

/* Sends a datagram past ENet, but not past a simulated network. */
static int send_datagram(struct enetjs_host *h, const struct enetjs_endpoint *to, const ENetBuffer *buffer) {
  ENetAddress plain = enetjs_endpoint_plain(to);
  int sent;
  if (!h->batch) return enet_socket_send(h->enet->socket, &plain, buffer, 1);
  sent = enetjs_batch_send(h->batch, to, buffer);
  if (enetjs_batch_conditions(h->batch)) enetjs_pump_rearm(h); /* the simulated network has it wait */
  return sent;
}

double enetjs_host_send_datagram(double host, double address, double port, double offset, double length) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  struct enetjs_endpoint to;
  const uint8_t *data;
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  data = enetjs_shared_at(h, offset, length);
  if (data) result = enetjs_host_endpoint(h, address, port, &to);
  if (result == 0) {
    ENetBuffer buffer;
    buffer.data = (void *)(uintptr_t)data;
    buffer.dataLength = (size_t)length;
    enetjs_read_unreachable(h); /* an unread report would make this call fail */
    result = send_datagram(h, &to, &buffer);
    if (result < 0) {
      int error = enetjs_socket_error();
      /* No error of the program: answers to strangers may go to forged addresses, which have no route. */
      result = enetjs_socket_error_no_way(error) ? 0 : enetjs_socket_error_code(error);
    }
  }
  enetjs_host_release(h);
  return result;
}
