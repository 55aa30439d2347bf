// SPDX-License-Identifier: Apache-2.0
// Both tokenizer formats from hostile bytes; what loads must encode and decode without a crash.
#include "core/text/loaders.h"

#include <cstdint>

namespace {

void use(const qs::Result<std::shared_ptr<const qs::Tokenizer>>& loaded) {
    if (!loaded) return;
    const auto ids = (*loaded)->encode("Once upon a\ttime, \xF0\x9F\x8C\x99 \xFF 12345  \r\n");
    if (ids) (void)(*loaded)->decode(*ids);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    use(qs::text::tokenizerFromJson(text, "", "fuzz", ""));
    use(qs::text::tokenizerFromSentencePiece(text, "", "fuzz", ""));
    return 0;
}
