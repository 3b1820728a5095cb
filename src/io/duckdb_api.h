// io/duckdb_api.h: what Sextant uses of DuckDB's C interface, declared here, so that building needs none of its files.
//
// Follows the documentation of the C API, version 1.5 (duckdb.org/docs/stable/clients/c/api); the functions are all in
// 1.0 already. io/duckdb.h finds the library when it is first needed and fills Api in.
#pragma once

#include <cstdint>

namespace sextant::io::duck {

enum State : int { kSuccess = 0, kError = 1 };

// The numbers are the library's. What is not named here is turned into JSON by the library itself.
enum class TypeId : int {
  invalid = 0,
  boolean = 1,
  int8 = 2,
  int16 = 3,
  int32 = 4,
  int64 = 5,
  uint8 = 6,
  uint16 = 7,
  uint32 = 8,
  uint64 = 9,
  float32 = 10,
  float64 = 11,
  timestamp = 12,  // microseconds since 1970, without a zone
  date = 13,       // days since 1970
  time = 14,       // microseconds since midnight
  interval = 15,
  int128 = 16,
  text = 17,
  blob = 18,
  decimal = 19,
  timestamp_s = 20,
  timestamp_ms = 21,
  timestamp_ns = 22,
  enumeration = 23,
  list = 24,
  structure = 25,
  map = 26,  // a list of structures of two: key, value
  uuid = 27,
  tagged_union = 28,  // a structure whose first child says which of the others is meant
  bit = 29,
  time_tz = 30,
  timestamp_tz = 31,  // microseconds since 1970, UTC
  uint128 = 32,
  array = 33,
  null = 36,
  time_ns = 39,
};

// Handles; what they point to is the library's.
using Database = struct DatabaseTag*;
using Connection = struct ConnectionTag*;
using Config = struct ConfigTag*;
using Prepared = struct PreparedTag*;
using Pending = struct PendingTag*;
using LogicalType = struct LogicalTypeTag*;
using Chunk = struct ChunkTag*;
using Vector = struct VectorTag*;
using TableFunction = struct TableFunctionTag*;
using BindInfo = struct BindInfoTag*;
using InitInfo = struct InitInfoTag*;
using FunctionInfo = struct FunctionInfoTag*;

// Passed by value, so its size matters; all but the last member is kept for old programs.
struct Result {
  uint64_t counts[3] = {};
  void* columns = nullptr;
  char* message = nullptr;
  void* internal = nullptr;
};

__extension__ typedef __int128 Wide;

// What lies in vectors.
struct Int128 {
  uint64_t lower;
  int64_t upper;
};
struct Interval {
  int32_t months;
  int32_t days;
  int64_t microseconds;
};
struct ListEntry {
  uint64_t offset;
  uint64_t length;
};
// Up to 12 bytes lie in the string itself, more behind the pointer.
struct String {
  uint32_t length;
  char start[4];
  union {
    char rest[8];
    const char* pointer;
  };
};
static_assert(sizeof(Result) == 48 && sizeof(Interval) == 16 && sizeof(String) == 16);

using TableBind = void (*)(BindInfo);
using TableInit = void (*)(InitInfo);
using TableFill = void (*)(FunctionInfo, Chunk);

// f(what it returns, its name after "duckdb_", its parameters).
#define SEXTANT_DUCKDB_FUNCTIONS(f)                                                     \
  f(const char*, library_version, ());                                                  \
  f(void, free, (void*));                                                               \
  f(State, create_config, (Config*));                                                   \
  f(State, set_config, (Config, const char* name, const char* option));                 \
  f(void, destroy_config, (Config*));                                                   \
  f(State, open_ext, (const char* path, Database*, Config, char** message));            \
  f(void, close, (Database*));                                                          \
  f(State, connect, (Database, Connection*));                                           \
  f(void, disconnect, (Connection*));                                                   \
  f(void, interrupt, (Connection));                                                     \
  f(State, query, (Connection, const char* sql, Result*));                              \
  f(const char*, result_error, (Result*));                                              \
  f(void, destroy_result, (Result*));                                                   \
  f(State, prepare, (Connection, const char* sql, Prepared*));                          \
  f(const char*, prepare_error, (Prepared));                                            \
  f(void, destroy_prepare, (Prepared*));                                                \
  f(State, pending_prepared_streaming, (Prepared, Pending*));                           \
  f(const char*, pending_error, (Pending));                                             \
  f(State, execute_pending, (Pending, Result*));                                        \
  f(void, destroy_pending, (Pending*));                                                 \
  f(uint64_t, column_count, (Result*));                                                 \
  f(const char*, column_name, (Result*, uint64_t));                                     \
  f(LogicalType, column_logical_type, (Result*, uint64_t));                             \
  f(Chunk, fetch_chunk, (Result));                                                      \
  f(uint64_t, data_chunk_get_size, (Chunk));                                            \
  f(void, data_chunk_set_size, (Chunk, uint64_t));                                      \
  f(Vector, data_chunk_get_vector, (Chunk, uint64_t));                                  \
  f(void, destroy_data_chunk, (Chunk*));                                                \
  f(LogicalType, create_logical_type, (TypeId));                                        \
  f(LogicalType, create_list_type, (LogicalType));                                      \
  f(void, destroy_logical_type, (LogicalType*));                                        \
  f(TypeId, get_type_id, (LogicalType));                                                \
  f(char*, logical_type_get_alias, (LogicalType));                                      \
  f(uint8_t, decimal_scale, (LogicalType));                                             \
  f(TypeId, decimal_internal_type, (LogicalType));                                      \
  f(TypeId, enum_internal_type, (LogicalType));                                         \
  f(uint32_t, enum_dictionary_size, (LogicalType));                                     \
  f(char*, enum_dictionary_value, (LogicalType, uint64_t));                             \
  f(LogicalType, list_type_child_type, (LogicalType));                                  \
  f(LogicalType, array_type_child_type, (LogicalType));                                 \
  f(uint64_t, array_type_array_size, (LogicalType));                                    \
  f(LogicalType, map_type_key_type, (LogicalType));                                     \
  f(LogicalType, map_type_value_type, (LogicalType));                                   \
  f(uint64_t, struct_type_child_count, (LogicalType));                                  \
  f(char*, struct_type_child_name, (LogicalType, uint64_t));                            \
  f(LogicalType, struct_type_child_type, (LogicalType, uint64_t));                      \
  f(uint64_t, union_type_member_count, (LogicalType));                                  \
  f(LogicalType, union_type_member_type, (LogicalType, uint64_t));                      \
  f(void*, vector_get_data, (Vector));                                                  \
  f(uint64_t*, vector_get_validity, (Vector));                                          \
  f(void, vector_ensure_validity_writable, (Vector));                                   \
  f(void, validity_set_row_invalid, (uint64_t*, uint64_t));                             \
  f(void, vector_assign_string_element_len, (Vector, uint64_t, const char*, uint64_t)); \
  f(Vector, list_vector_get_child, (Vector));                                           \
  f(uint64_t, list_vector_get_size, (Vector));                                          \
  f(State, list_vector_set_size, (Vector, uint64_t));                                   \
  f(State, list_vector_reserve, (Vector, uint64_t));                                    \
  f(Vector, array_vector_get_child, (Vector));                                          \
  f(Vector, struct_vector_get_child, (Vector, uint64_t));                               \
  f(TableFunction, create_table_function, ());                                          \
  f(void, table_function_set_name, (TableFunction, const char*));                       \
  f(void, table_function_set_extra_info, (TableFunction, void*, void (*)(void*)));      \
  f(void, table_function_set_bind, (TableFunction, TableBind));                         \
  f(void, table_function_set_init, (TableFunction, TableInit));                         \
  f(void, table_function_set_function, (TableFunction, TableFill));                     \
  f(State, register_table_function, (Connection, TableFunction));                       \
  f(void, destroy_table_function, (TableFunction*));                                    \
  f(void*, bind_get_extra_info, (BindInfo));                                            \
  f(void, bind_add_result_column, (BindInfo, const char* name, LogicalType));           \
  f(void*, function_get_extra_info, (FunctionInfo));                                    \
  f(void, function_set_error, (FunctionInfo, const char*))

struct Api {
#define SEXTANT_DUCKDB_MEMBER(result, name, parameters) result(*name) parameters = nullptr
  SEXTANT_DUCKDB_FUNCTIONS(SEXTANT_DUCKDB_MEMBER);
#undef SEXTANT_DUCKDB_MEMBER
};

}  // namespace sextant::io::duck
