#include <fmt/format.h>
#include <openssl/evp.h>

#include <memory>

#include "base/files.h"
#include "model/hub.h"

namespace sextant::model {
namespace {

constexpr size_t kStepBytes = size_t{8} << 20;

std::string digest_hex(const EVP_MD* algorithm, std::string_view before, std::string_view bytes) {
  struct Deleter {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Deleter> context(EVP_MD_CTX_new());
  auto check = [](bool done) {
    if (!done) throw Error(ErrorCode::internal, "OpenSSL cannot compute a checksum");
  };
  check(context && EVP_DigestInit_ex(context.get(), algorithm, nullptr) == 1);
  check(EVP_DigestUpdate(context.get(), before.data(), before.size()) == 1);
  for (size_t at = 0; at < bytes.size(); at += kStepBytes) {
    std::string_view step = bytes.substr(at, kStepBytes);
    check(EVP_DigestUpdate(context.get(), step.data(), step.size()) == 1);
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  check(EVP_DigestFinal_ex(context.get(), digest, &size) == 1);
  std::string out;
  for (unsigned i = 0; i < size; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

}  // namespace

std::string sha256_hex(const std::filesystem::path& path) {
  base::MappedFile file(path);
  return digest_hex(EVP_sha256(), "", file.text());
}

std::string git_blob_sha1_hex(const std::filesystem::path& path) {
  base::MappedFile file(path);
  // With the terminating zero, as git writes it.
  std::string before = fmt::format("blob {}", file.text().size());
  before.push_back('\0');
  return digest_hex(EVP_sha1(), before, file.text());
}

}  // namespace sextant::model
