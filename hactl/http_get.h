/* A small strict reading of HTTP/1.1: one GET of one path, no body. Pure: bytes in, a verdict out. */
#ifndef HACTL_HTTP_GET_H
#define HACTL_HTTP_GET_H

#include <stddef.h>

#define HTTP_HEAD_LIMIT 4096 /* request line and headers */
#define HTTP_PATH_LIMIT 128

struct buf;

/* 0: more bytes are needed. 200: path is filled in (without a query). Else the status to answer: 400 no HTTP/1 request,
 * 405 another method than GET, 414 the path is too long, 431 the head is too long, 505 another version. */
int http_request(const char *p, size_t n, char path[HTTP_PATH_LIMIT]);

/* Appends a whole answer that ends the connection. type: of the body's content. */
void http_answer(struct buf *out, int status, const char *type, const char *body, size_t len);

#endif
