/* The files of builtin/, each between a begin and an end symbol, aligned so that tensors can be used in place. */
    .section .rodata

#define FILE(symbol, path)                     \
    .global sextant_builtin_##symbol##_begin;  \
    .global sextant_builtin_##symbol##_end;    \
    .balign 64;                                \
sextant_builtin_##symbol##_begin:              \
    .incbin path;                              \
sextant_builtin_##symbol##_end:                \
    .byte 0

FILE(config, "config.json")
FILE(tokenizer, "tokenizer.json")
FILE(weights, "model.safetensors")

    .section .note.GNU-stack, "", @progbits
