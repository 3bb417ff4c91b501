/**
 * @file plain.h
 * @brief ENet's own socket functions, for what passes no batch. Any thread may call.
 *
 * Where ENet is built in, these are its functions, which the preprocessor has renamed (CMakeLists.txt).
 * Otherwise plain.c looks for them in libenet.
 */
#ifndef ENETJS_PLAIN_H
#define ENETJS_PLAIN_H

#include <enet/enet.h>

int enetjs_plain_send(ENetSocket socket, const ENetAddress *address, const ENetBuffer *buffers, size_t count);
int enetjs_plain_receive(ENetSocket socket, ENetAddress *address, ENetBuffer *buffers, size_t count);

#endif
