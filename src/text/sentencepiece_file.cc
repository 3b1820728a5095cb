// The protocol buffer wire format, as far as a SentencePiece model needs it: varints, fixed fields, byte strings.
//   ModelProto     1: pieces { 1: string piece, 2: float score, 3: enum type }, 2: TrainerSpec, 3: NormalizerSpec
//   TrainerSpec    3: model type (1 unigram, 2 BPE), 24: white space as suffix, 35: byte fallback
//   NormalizerSpec 2: charsmap, 3: dummy prefix, 4: remove extra white space, 5: escape white space
#include <cmath>
#include <cstring>

#include "sextant/error.h"
#include "text/sentencepiece.h"
#include "text/unicode.h"

namespace sextant::text {
namespace {

struct ProtoField {
  uint32_t number = 0;
  uint64_t varint = 0;     // wire type 0, or the bits of a fixed field
  std::string_view bytes;  // wire type 2
  int wire_type = 0;
};

class ProtoReader {
 public:
  ProtoReader(std::string_view bytes, std::string_view source) : bytes_(bytes), source_(source) {}

  bool next(ProtoField& field) {
    if (position_ == bytes_.size()) return false;
    uint64_t key = varint();
    field = {};
    field.number = static_cast<uint32_t>(key >> 3);
    field.wire_type = static_cast<int>(key & 7);
    switch (field.wire_type) {
      case 0:
        field.varint = varint();
        break;
      case 1:
        field.varint = fixed(8);
        break;
      case 2: {
        uint64_t size = varint();
        if (size > bytes_.size() - position_) fail("a field of " + std::to_string(size) + " bytes goes past the end");
        field.bytes = bytes_.substr(position_, size);
        position_ += size;
        break;
      }
      case 5:
        field.varint = fixed(4);
        break;
      default:
        fail("wire type " + std::to_string(field.wire_type) + " is not one that the format has");
    }
    if (field.number == 0) fail("field number 0");
    return true;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::corrupted, std::string(source_) + ": not a SentencePiece model: " + what);
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (position_ == bytes_.size()) fail("the file ends inside a number");
      auto byte = static_cast<unsigned char>(bytes_[position_++]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail("a number of more than 10 bytes");
  }
  uint64_t fixed(size_t size) {
    if (bytes_.size() - position_ < size) fail("the file ends inside a number");
    uint64_t value = 0;
    std::memcpy(&value, bytes_.data() + position_, size);
    position_ += size;
    return value;
  }

  std::string_view bytes_;
  std::string_view source_;
  size_t position_ = 0;
};

SentencePieceEntry parse_piece(std::string_view bytes, std::string_view source) {
  SentencePieceEntry entry;
  ProtoReader reader(bytes, source);
  for (ProtoField field; reader.next(field);) {
    if (field.number == 1 && field.wire_type == 2) entry.piece = field.bytes;
    if (field.number == 2 && field.wire_type == 5) {
      auto bits = static_cast<uint32_t>(field.varint);
      std::memcpy(&entry.score, &bits, sizeof bits);
      if (!std::isfinite(entry.score)) reader.fail("the piece \"" + entry.piece + "\" has a score that is not finite");
    }
    if (field.number == 3 && field.wire_type == 0) {
      if (field.varint < 1 || field.varint > 6) reader.fail("a piece of type " + std::to_string(field.varint));
      entry.type = static_cast<SentencePieceType>(field.varint);
    }
  }
  if (entry.piece.empty()) reader.fail("an empty piece");
  if (!base::is_valid_utf8(entry.piece)) reader.fail("a piece that is not UTF-8");
  return entry;
}

}  // namespace

SentencePieceSpec parse_sentencepiece(std::string_view bytes, std::string_view source) {
  SentencePieceSpec spec;
  ProtoReader reader(bytes, source);
  uint64_t model_type = 1;
  for (ProtoField field; reader.next(field);) {
    if (field.wire_type != 2) continue;
    if (field.number == 1) {
      if (spec.pieces.size() > static_cast<size_t>(kTokenIdMax)) reader.fail("too many pieces");
      spec.pieces.push_back(parse_piece(field.bytes, source));
    } else if (field.number == 2) {
      ProtoReader trainer(field.bytes, source);
      for (ProtoField inner; trainer.next(inner);) {
        if (inner.wire_type != 0) continue;
        if (inner.number == 3) model_type = inner.varint;
        if (inner.number == 24) spec.treat_whitespace_as_suffix = inner.varint != 0;
        if (inner.number == 35) spec.byte_fallback = inner.varint != 0;
      }
    } else if (field.number == 3) {
      ProtoReader normalizer(field.bytes, source);
      for (ProtoField inner; normalizer.next(inner);) {
        if (inner.number == 2 && inner.wire_type == 2) spec.charsmap = inner.bytes;
        if (inner.wire_type != 0) continue;
        if (inner.number == 3) spec.add_dummy_prefix = inner.varint != 0;
        if (inner.number == 4) spec.remove_extra_whitespaces = inner.varint != 0;
        if (inner.number == 5) spec.escape_whitespaces = inner.varint != 0;
      }
    }
  }
  if (spec.pieces.empty()) reader.fail("no pieces");
  if (model_type != 1 && model_type != 2) {
    throw Error(ErrorCode::unsupported, std::string(source) + ": trainer_spec.model_type is " +
                                            std::to_string(model_type) + ", expected 1 (unigram) or 2 (BPE)");
  }
  spec.is_bpe = model_type == 2;
  return spec;
}

}  // namespace sextant::text
