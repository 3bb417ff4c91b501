# ENet: the system's libenet, or its unmodified sources, built into the library.
#
# Sets ENETJS_ENET, what the library links; ENETJS_BUILT_IN_OBJECTS, what is built into it; and
# ENETJS_LIBENET_FILE, the libenet that other programs in a test load.

set(ENETJS_ENET_SOURCE "" CACHE PATH "Folder of ENet's unmodified sources, to be built into the library")
set(ENETJS_LIBENET "" CACHE PATH "Folder of another libenet than the system's, with include/ and lib/")

# The releases that are known to work: tag, and checksum of the files below. The first is that of the packages.
set(enet_tags v1.3.18 v1.3.17)
set(enet_checksum_v1.3.18 07f9463f0bf075c082470aa7ff8f79aa1891b7a7987b1703fef5d343001038b1)
set(enet_checksum_v1.3.17 8e09e0546cea7fd845a580b9c9df49ef5aeaa59ec8b8e04413beef4b2aabcf8f)

if(NOT ENETJS_ENET_SOURCE)
  if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
    # There libenet's calls cannot be redirected, or the library lacks functions that are needed.
    message(FATAL_ERROR "On this system ENet's sources are built in: set ENETJS_ENET_SOURCE to their folder; "
      "`deno run -A tools/enet_source.ts` gets them and prints it")
  endif()
  find_package(PkgConfig QUIET)
  if(PKG_CONFIG_FOUND AND NOT ENETJS_LIBENET)
    pkg_check_modules(ENET QUIET IMPORTED_TARGET libenet)
  endif()
  if(ENET_FOUND)
    target_link_libraries(libenet INTERFACE PkgConfig::ENET)
    set(ENETJS_LIBENET_FILE libenet.so.7)
  else()
    if(ENETJS_LIBENET)
      set(only_there NO_DEFAULT_PATH)
    endif()
    find_path(ENET_INCLUDE_DIR enet/enet.h HINTS ${ENETJS_LIBENET}/include ${only_there})
    find_library(ENET_LIBRARY enet HINTS ${ENETJS_LIBENET}/lib ${only_there})
    if(NOT ENET_INCLUDE_DIR OR NOT ENET_LIBRARY)
      if(ENETJS_LIBENET)
        message(FATAL_ERROR "ENETJS_LIBENET has no include/enet/enet.h and lib/libenet: ${ENETJS_LIBENET}")
      endif()
      message(FATAL_ERROR "libenet was not found; `deno task setup` installs it")
    endif()
    target_include_directories(libenet INTERFACE ${ENET_INCLUDE_DIR})
    target_link_libraries(libenet INTERFACE ${ENET_LIBRARY})
    set(ENETJS_LIBENET_FILE ${ENET_LIBRARY})
  endif()
  set(ENETJS_ENET libenet)
  target_include_directories(platform INTERFACE ${ENET_INCLUDE_DIRS} ${ENET_INCLUDE_DIR})
  return()
endif()

# ---- Which sources -------------------------------------------------------------------------------

set(enet_files callbacks.c compress.c host.c list.c packet.c peer.c protocol.c unix.c win32.c
  include/enet/callbacks.h include/enet/enet.h include/enet/list.h include/enet/protocol.h
  include/enet/time.h include/enet/types.h include/enet/unix.h include/enet/utility.h
  include/enet/win32.h)
set(enet_sums "")
foreach(file IN LISTS enet_files)
  if(NOT EXISTS ${ENETJS_ENET_SOURCE}/${file})
    message(FATAL_ERROR "ENETJS_ENET_SOURCE has no ${file}: ${ENETJS_ENET_SOURCE}")
  endif()
  file(SHA256 ${ENETJS_ENET_SOURCE}/${file} sum)
  string(APPEND enet_sums "${sum}  ${file}\n") # as sha256sum prints it
endforeach()
string(SHA256 enet_checksum "${enet_sums}")
foreach(tag IN LISTS enet_tags)
  if(enet_checksum STREQUAL enet_checksum_${tag})
    set(enet_tag ${tag})
  endif()
endforeach()
if(NOT enet_tag)
  message(FATAL_ERROR "${ENETJS_ENET_SOURCE} has the checksum ${enet_checksum}, so it is not the "
    "unmodified ENet of one of the tags ${enet_tags}")
endif()
message(STATUS "ENet ${enet_tag} is built in")

# ---- How they are compiled -----------------------------------------------------------------------

list(TRANSFORM enet_files PREPEND ${ENETJS_ENET_SOURCE}/)
list(FILTER enet_files INCLUDE REGEX "\\.c$")
set(enet_definitions HAS_FCNTL=1 HAS_POLL=1 HAS_GETADDRINFO=1 HAS_GETNAMEINFO=1 HAS_INET_PTON=1
  HAS_INET_NTOP=1 HAS_MSGHDR_FLAGS=1 HAS_SOCKLEN_T=1)
target_include_directories(platform SYSTEM INTERFACE ${ENETJS_ENET_SOURCE}/include)

function(compile_enet name)
  add_library(${name} ${ARGN})
  target_compile_definitions(${name} PRIVATE ${enet_definitions})
  target_compile_options(${name} PRIVATE -w)
  target_link_libraries(${name} PRIVATE platform)
endfunction()

# The system's part of ENet defines its socket functions and its clock by other names. So the rest of ENet
# calls those of the library (wire/socket.c, enet/libenet.c), and the library can call ENet's (wire/plain.h).
set(enet_system ${ENETJS_ENET_SOURCE}/unix.c ${ENETJS_ENET_SOURCE}/win32.c)
set(enet_rest ${enet_files})
list(REMOVE_ITEM enet_rest ${enet_system})
compile_enet(built_in_enet OBJECT ${enet_rest})
compile_enet(built_in_enet_system OBJECT ${enet_system})
target_compile_definitions(built_in_enet_system PRIVATE
  enet_socket_send=enetjs_plain_send enet_socket_receive=enetjs_plain_receive
  enet_time_get=enetjs_plain_time enet_time_set=enetjs_plain_time_set)
target_compile_definitions(platform INTERFACE ENETJS_ENET_BUILT_IN=1)
set(ENETJS_ENET platform)
set(ENETJS_BUILT_IN_OBJECTS $<TARGET_OBJECTS:built_in_enet> $<TARGET_OBJECTS:built_in_enet_system>)

# For programs on plain ENet.
compile_enet(plain_enet SHARED EXCLUDE_FROM_ALL ${enet_files})
set_target_properties(plain_enet PROPERTIES C_VISIBILITY_PRESET default)
target_link_libraries(libenet INTERFACE plain_enet)
set(ENETJS_LIBENET_FILE $<TARGET_FILE:plain_enet>)
