/* SPDX-License-Identifier: Apache-2.0 */
/* A number of the ABI: what it must be, and what this compiler makes of the header. */
#ifndef RUMPK_TESTS_ABI_SEEN_H
#define RUMPK_TESTS_ABI_SEEN_H

#include <stddef.h>
#include <stdint.h>

enum fact_kind { FACT_CONSTANT, FACT_STRUCT, FACT_FIELD };

struct fact {
    enum fact_kind kind;
    const char* owner; /* the struct of a field, else "" */
    const char* name;
    uint64_t want, seen;           /* value, size or offset */
    uint64_t want_more, seen_more; /* -, alignment or size */
};

#ifdef __cplusplus
extern "C" {
#endif
extern const struct fact facts_in_c[];
extern const size_t facts_in_c_count;
#ifdef __cplusplus
}
#define ABI_ALIGNOF alignof
#define ABI_ENTRY fact
#define ABI_NONE nullptr
#else
#define ABI_ALIGNOF _Alignof
#define ABI_ENTRY (struct fact)
#define ABI_NONE 0
#endif

#define ABI_CONSTANT(name, value) ABI_ENTRY{FACT_CONSTANT, "", #name, value, (uint64_t)(name), 0, 0},
#define ABI_STRUCT(name, size, alignment)                                                                    \
    ABI_ENTRY{FACT_STRUCT, "", #name, size, sizeof(struct name), alignment, ABI_ALIGNOF(struct name)},
#define ABI_FIELD(type, name, offset, size)                                                                  \
    ABI_ENTRY{FACT_FIELD,                                                                                    \
              #type,                                                                                         \
              #name,                                                                                         \
              offset,                                                                                        \
              offsetof(struct type, name),                                                                   \
              size,                                                                                          \
              sizeof(((struct type*)ABI_NONE)->name)},

#endif
