#include "store/payload/payload_schema.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "errors.h"

namespace sextant::store {
namespace {

std::string schema_refusal(std::string_view json) {
  return tests::error_of([&] { parse_field_schema(json); });
}

TEST(PayloadSchemas, AreGivenBackAsTheyWereSent) {
  for (const char* json : {
           R"("keyword")",
           R"("integer")",
           R"("float")",
           R"("bool")",
           R"("datetime")",
           R"("geo")",
           R"("text")",
           R"("uuid")",
           R"({"type":"keyword","is_tenant":true,"prefix":true,"on_disk":false,"memory":"cold","enable_hnsw":true})",
           R"({"type":"integer","lookup":false,"range":true,"is_principal":false})",
           R"({"type":"text","tokenizer":"multilingual","min_token_len":2,"max_token_len":20,"lowercase":false,)"
           R"("ascii_folding":true,"phrase_matching":true,"stopwords":{"custom":["a","the"]}})",
           R"({"type":"geo"})",
       }) {
    EXPECT_EQ(field_schema_json(parse_field_schema(json)), json);
  }
}

TEST(PayloadSchemas, SayWhereTheyAreWrong) {
  EXPECT_EQ(schema_refusal(R"("keywords")"),
            "invalid_argument: field_schema: expected one of keyword, integer, float, bool, datetime, geo, text, uuid, "
            "found \"keywords\"");
  EXPECT_EQ(schema_refusal(R"({"type": "geo", "lookup": true})"),
            "invalid_argument: field_schema: an index of type geo has no field \"lookup\"");
  EXPECT_EQ(schema_refusal(R"({"lookup": true})"), "invalid_argument: field_schema: field 'type' is missing");
  EXPECT_EQ(schema_refusal(R"({"type": "integer", "lookup": 1})"),
            "invalid_argument: field_schema.lookup: expected true or false, found 1");
  EXPECT_EQ(schema_refusal(R"({"type": "integer", "lookup": false, "range": false})"),
            "invalid_argument: field_schema: expected 'lookup' or 'range' to be true");
  EXPECT_EQ(schema_refusal(R"({"type": "text", "min_token_len": 3, "max_token_len": 2})"),
            "invalid_argument: field_schema: min_token_len is 3, expected at most max_token_len, 2");
  EXPECT_EQ(schema_refusal(R"({"type": "text", "stopwords": "english"})"),
            "unsupported: field_schema.stopwords: lists of stop words by language are not built in, expected "
            "{\"custom\": [...]}");
  EXPECT_EQ(schema_refusal(R"({"type": "text", "stemmer": {"type": "snowball", "language": "english"}})"),
            "unsupported: field_schema.stemmer: stemmers are not built in, expected {\"type\": \"none\"}");
  EXPECT_THAT(schema_refusal("{"), testing::HasSubstr("field_schema: not valid JSON"));
  EXPECT_THAT(schema_refusal(std::string(100'000, '[')), testing::HasSubstr("more than 8 deep"));
}

TEST(PayloadSchemas, NameFieldsByTheirPaths) {
  PayloadSchema schema = parse_payload_schema(R"({"\"a\".b": "keyword", "n": {"type": "integer"}, "gone": "geo"})");
  EXPECT_TRUE(schema.remove(KeyPath::parse("gone")));
  EXPECT_EQ(payload_schema_json(schema), R"({"a.b":"keyword","n":{"type":"integer"}})");
  ASSERT_NE(schema.find("a.b"), nullptr);
  EXPECT_EQ(schema.find("a.b")->kind, FieldKind::keyword);
  EXPECT_EQ(schema.find("b"), nullptr);
  EXPECT_EQ(parse_payload_schema(payload_schema_json(schema)), schema);
  for (size_t i = 2; i < PayloadSchema::kFieldsMax; ++i) schema.set(KeyPath::parse(fmt::format("f{}", i)), {});
  EXPECT_THAT(tests::error_of(ErrorCode::exhausted, [&] { schema.set(KeyPath::parse("more"), {}); }),
              testing::HasSubstr("256"));
}

}  // namespace
}  // namespace sextant::store
