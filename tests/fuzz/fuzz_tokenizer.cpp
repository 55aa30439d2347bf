// SPDX-License-Identifier: Apache-2.0
// Tokenizers from hostile bytes. The first byte picks the loader: tokenizer.json with a config,
// tokenizer.model, or a GGUF vocabulary. What loads must encode and decode without a crash; ids stay in the
// vocabulary, and the text of an id is UTF-8.
#include "core/text/gguf_vocabulary.h"
#include "core/text/loaders.h"
#include "core/text/unicode.h"

#include <algorithm>
#include <cstdlib>

namespace {

using Loaded = qs::Result<std::shared_ptr<const qs::Tokenizer>>;

void require(bool condition) {
    if (!condition) std::abort();
}

void use(const Loaded& loaded, std::string_view own) {
    if (!loaded) {
        require(!loaded.error().message.empty());
        return;
    }
    const qs::Tokenizer& t = **loaded;
    for (const std::string_view text :
         {std::string_view("Once upon a\ttime, \xF0\x9F\x8C\x99 \xFF 12345 <s>x</s>  \r\n"),
          own.substr(0, 512)}) {
        const auto ids = t.encode(text);
        if (!ids) continue;
        for (const int id : *ids) {
            require(id >= 0 && id < t.vocabularySize());
            (void)t.piece(id);
            require(qs::text::isValidUtf8(t.display(id)));
        }
        (void)t.decode(*ids);
        (void)t.decode(*ids, false);
    }
    (void)t.description();
}

/// Fields of a vocabulary from bytes: lengths and values one byte each.
class Bytes {
public:
    explicit Bytes(std::string_view data) : rest_(data) {}
    unsigned byte() {
        if (rest_.empty()) return 0;
        const auto b = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        return b;
    }
    std::string text(size_t most) {
        const size_t n = std::min<size_t>({byte(), most, rest_.size()});
        const std::string out(rest_.substr(0, n));
        rest_.remove_prefix(n);
        return out;
    }
    std::string_view rest() const { return rest_; }

private:
    std::string_view rest_;
};

std::optional<bool> flag(unsigned bits) {
    return (bits & 3) > 1 ? std::nullopt : std::optional<bool>(bits & 1);
}

qs::text::GgufVocabulary vocabulary(Bytes& b) {
    constexpr const char* kModels[] = {"llama", "gpt2", "bert", "t5", "none"};
    constexpr const char* kPres[] = {"",       "llama-bpe", "qwen2",       "tekken",
                                     "falcon", "bloom",     "deepseek-v3", "smollm"};
    qs::text::GgufVocabulary v;
    v.model = kModels[b.byte() % 5];
    v.pre = kPres[b.byte() % 8];
    for (unsigned n = b.byte(); n > 0; --n) {
        v.tokens.push_back(b.text(16));
        v.types.push_back(int32_t(b.byte() % 8));
        v.scores.push_back(-float(b.byte()));
    }
    for (unsigned n = b.byte() % 64; n > 0; --n)
        v.merges.push_back(b.text(16));
    for (int* id : {&v.bos, &v.eos, &v.unk, &v.sep, &v.pad, &v.cls, &v.mask})
        *id = int(b.byte()) - 1;
    const unsigned bits = b.byte();
    v.addBos = flag(bits);
    v.addEos = flag(bits >> 2);
    v.addSpacePrefix = flag(bits >> 4);
    v.removeExtraWhitespaces = flag(bits >> 6);
    for (const char c : b.text(255))
        v.precompiledCharsmap.push_back(std::byte(c));
    return v;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 3) {
    case 0: {
        const size_t cut = std::min(rest.find('\x1E'), rest.size()); // a config may follow
        const auto config = cut < rest.size() ? std::string(rest.substr(cut + 1)) : std::string();
        use(qs::text::tokenizerFromJson(std::string(rest.substr(0, cut)), config, "fuzz", ""), rest);
        break;
    }
    case 1:
        use(qs::text::tokenizerFromSentencePiece(rest, "", "fuzz", ""), rest);
        break;
    default: {
        Bytes bytes(rest);
        auto v = vocabulary(bytes);
        use(qs::text::tokenizerFromGguf(std::move(v)), bytes.rest());
    }
    }
    return 0;
}
