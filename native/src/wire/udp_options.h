/**
 * @file udp_options.h
 * @brief Linux's socket options for several datagrams in one buffer, which are younger than some C libraries.
 */
#ifndef ENETJS_UDP_OPTIONS_H
#define ENETJS_UDP_OPTIONS_H

#include <netinet/in.h>
#include <sys/socket.h>

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#endif
