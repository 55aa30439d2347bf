// SPDX-License-Identifier: Apache-2.0
#include "core/text/decoder.h"

#include "core/text/byte_alphabet.h"
#include "core/text/json_fields.h"
#include "core/text/pre_tokens.h"
#include "core/text/regex.h"
#include "core/text/unicode.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>

namespace qs::text {

using nlohmann::json;
using DecoderPtr = std::shared_ptr<const Decoder>;
using Pieces = std::vector<std::string>;

int byteOfPiece(const std::string& piece) {
    if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
    const auto digit = [](char c) {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    const int high = digit(piece[3]), low = digit(piece[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

namespace {

size_t totalBytes(const Pieces& pieces) {
    return std::accumulate(pieces.begin(), pieces.end(), size_t(0),
                           [](size_t n, const std::string& p) { return n + p.size(); });
}

std::string joined(const Pieces& pieces) {
    std::string text;
    text.reserve(totalBytes(pieces));
    for (const auto& p : pieces)
        text += p;
    return text;
}

std::string replaceAll(const std::string& text, const std::string& from, std::string_view to) {
    if (from.empty()) return text;
    std::string out;
    size_t done = 0;
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, done)) {
        out.append(text, done, at - done).append(to);
        done = at + from.size();
    }
    return out.append(text, done);
}

class ByteLevelDecoder final : public Decoder {
public:
    Result<void> apply(Pieces& pieces) const override {
        std::string bytes;
        for (const auto& p : pieces)
            if (!appendBytesOf(bytes, p)) bytes += p;
        pieces = {replaceBadUtf8(bytes, BadUtf8::PerSubpart)};
        return {};
    }
};

class ByteFallbackDecoder final : public Decoder {
public:
    Result<void> apply(Pieces& pieces) const override {
        Pieces out;
        std::string bytes;
        const auto flush = [&] {
            if (bytes.empty()) return;
            // A run of bytes is a text or it is not: one mark for every byte if any part is malformed.
            if (isValidUtf8(bytes))
                out.push_back(bytes);
            else
                out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
            bytes.clear();
        };
        for (auto& p : pieces) {
            if (const int b = byteOfPiece(p); b >= 0) {
                bytes += char(b);
            } else {
                flush();
                out.push_back(std::move(p));
            }
        }
        flush();
        pieces = std::move(out);
        return {};
    }
};

class FuseDecoder final : public Decoder {
public:
    Result<void> apply(Pieces& pieces) const override {
        pieces = {joined(pieces)};
        return {};
    }
};

class ReplaceDecoder final : public Decoder {
public:
    ReplaceDecoder(Pattern pattern, std::string content, std::string where)
        : pattern_(std::move(pattern)), content_(std::move(content)), where_(std::move(where)) {}
    Result<void> apply(Pieces& pieces) const override {
        const size_t limit = growthLimit(totalBytes(pieces));
        size_t total = 0;
        std::vector<Stretch> found;
        for (auto& p : pieces) {
            found.clear();
            QS_CHECK(pattern_.findAll(p, found));
            std::string out;
            for (const Stretch& s : found) {
                if (s.isMatch)
                    out += content_;
                else
                    out.append(p, s.begin, s.end - s.begin);
                if (total + out.size() > limit) return grewTooMuch(where_);
            }
            total += out.size();
            p = std::move(out);
        }
        return {};
    }

private:
    Pattern pattern_;
    std::string content_;
    std::string where_;
};

class StripDecoder final : public Decoder {
public:
    StripDecoder(char32_t content, size_t start, size_t stop)
        : content_(content), start_(start), stop_(stop) {}
    Result<void> apply(Pieces& pieces) const override {
        for (auto& p : pieces) {
            size_t begin = 0, end = p.size();
            for (size_t n = 0; n < start_ && begin < end && decodeUtf8(p, begin).value == content_; ++n)
                begin += utf8Length(p, begin);
            for (size_t n = 0;
                 n < stop_ && end > begin && decodeUtf8(p, previousUtf8(p, end)).value == content_; ++n)
                end = previousUtf8(p, end);
            p = p.substr(begin, end - begin);
        }
        return {};
    }

private:
    char32_t content_;
    size_t start_, stop_;
};

class MetaspaceDecoder final : public Decoder {
public:
    MetaspaceDecoder(std::string mark, bool dropsFirst) : mark_(std::move(mark)), dropsFirst_(dropsFirst) {}
    Result<void> apply(Pieces& pieces) const override {
        for (size_t i = 0; i < pieces.size(); ++i)
            pieces[i] = replaceAll(pieces[i], mark_, i == 0 && dropsFirst_ ? "" : " ");
        return {};
    }

private:
    std::string mark_;
    bool dropsFirst_;
};

class BpeDecoder final : public Decoder {
public:
    explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
    Result<void> apply(Pieces& pieces) const override {
        for (size_t i = 0; i < pieces.size(); ++i)
            pieces[i] = replaceAll(pieces[i], suffix_, i + 1 == pieces.size() ? "" : " ");
        return {};
    }

private:
    std::string suffix_;
};

// Undoes some of what word splitting does to English (decoders/wordpiece.rs).
std::string cleanUp(std::string text) {
    constexpr std::pair<const char*, const char*> kRules[] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (const auto& [from, to] : kRules)
        text = replaceAll(text, from, to);
    return text;
}

class WordPieceDecoder final : public Decoder {
public:
    WordPieceDecoder(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
    Result<void> apply(Pieces& pieces) const override {
        for (size_t i = 0; i < pieces.size(); ++i) {
            std::string& p = pieces[i];
            if (i > 0 && p.starts_with(prefix_))
                p.erase(0, prefix_.size());
            else if (i > 0)
                p.insert(0, 1, ' ');
            if (cleanup_) p = cleanUp(std::move(p));
        }
        return {};
    }

private:
    std::string prefix_;
    bool cleanup_;
};

// Connectionist temporal classification: repeated pieces count once, the blank is dropped.
class CtcDecoder final : public Decoder {
public:
    CtcDecoder(std::string blank, std::string delimiter, bool cleanup)
        : blank_(std::move(blank)), delimiter_(std::move(delimiter)), cleanup_(cleanup) {}
    Result<void> apply(Pieces& pieces) const override {
        pieces.erase(std::unique(pieces.begin(), pieces.end()), pieces.end());
        for (std::string& p : pieces) {
            p = replaceAll(p, blank_, "");
            if (cleanup_) p = replaceAll(cleanUp(std::move(p)), delimiter_, " ");
        }
        std::erase_if(pieces, [](const std::string& p) { return p.empty(); });
        return {};
    }

private:
    std::string blank_, delimiter_;
    bool cleanup_;
};

class DecoderSequence final : public Decoder {
public:
    explicit DecoderSequence(std::vector<DecoderPtr> parts) : parts_(std::move(parts)) {}
    Result<void> apply(Pieces& pieces) const override {
        for (const auto& p : parts_)
            QS_CHECK(p->apply(pieces));
        return {};
    }

private:
    std::vector<DecoderPtr> parts_;
};

Result<DecoderPtr> parseSequence(const json& j, const std::string& where, int depth) {
    QS_TRY(const json* list, sequenceField(j, "decoders", depth, where));
    std::vector<DecoderPtr> parts;
    for (size_t i = 0; i < list->size(); ++i) {
        QS_TRY(auto part, parseDecoder((*list)[i], fmt::format("{}.decoders[{}]", where, i), depth + 1));
        parts.push_back(std::move(part));
    }
    return DecoderPtr(std::make_shared<DecoderSequence>(std::move(parts)));
}

Result<DecoderPtr> parseReplace(const json& j, const std::string& where) {
    const json* pattern = member(j, "pattern");
    if (!pattern) return Error::corrupt("'pattern' is missing", where);
    QS_TRY(auto compiled, Pattern::fromJson(*pattern, where + ".pattern"));
    QS_TRY(auto content, stringField(j, "content", where));
    return DecoderPtr(std::make_shared<ReplaceDecoder>(std::move(compiled), std::move(content), where));
}

Result<DecoderPtr> parseStrip(const json& j, const std::string& where) {
    QS_TRY(const auto content, oneCharacter(j, "content", where));
    QS_TRY(const auto start, integerField(j, "start", 0, INT32_MAX, where));
    QS_TRY(const auto stop, integerField(j, "stop", 0, INT32_MAX, where));
    return DecoderPtr(
        std::make_shared<StripDecoder>(decodeUtf8(content, 0).value, size_t(start), size_t(stop)));
}

Result<DecoderPtr> parseMetaspace(const json& j, const std::string& where) {
    QS_TRY(auto mark, oneCharacter(j, "replacement", where));
    QS_TRY(const bool prefixSpace, boolField(j, "add_prefix_space", true, where));
    QS_TRY(const auto scheme, optionalString(j, "prepend_scheme", where));
    const bool dropsFirst = scheme == "first" || (scheme != "never" && prefixSpace);
    return DecoderPtr(std::make_shared<MetaspaceDecoder>(std::move(mark), dropsFirst));
}

Result<DecoderPtr> parseWordPiece(const json& j, const std::string& where) {
    QS_TRY(auto prefix, stringField(j, "prefix", where));
    QS_TRY(const bool cleanup, boolField(j, "cleanup", true, where));
    return DecoderPtr(std::make_shared<WordPieceDecoder>(std::move(prefix), cleanup));
}

Result<DecoderPtr> parseCtc(const json& j, const std::string& where) {
    QS_TRY(auto blank, stringField(j, "pad_token", where));
    QS_TRY(auto delimiter, stringField(j, "word_delimiter_token", where));
    QS_TRY(const bool cleanup, boolField(j, "cleanup", true, where));
    return DecoderPtr(std::make_shared<CtcDecoder>(std::move(blank), std::move(delimiter), cleanup));
}

} // namespace

Result<DecoderPtr> parseDecoder(const json& j, const std::string& where, int depth) {
    QS_TRY(const std::string type, componentType(j, where));
    if (type == "Sequence") return parseSequence(j, where, depth);
    if (type == "ByteLevel") return DecoderPtr(std::make_shared<ByteLevelDecoder>());
    if (type == "ByteFallback") return DecoderPtr(std::make_shared<ByteFallbackDecoder>());
    if (type == "Fuse") return DecoderPtr(std::make_shared<FuseDecoder>());
    if (type == "Replace") return parseReplace(j, where);
    if (type == "Strip") return parseStrip(j, where);
    if (type == "Metaspace") return parseMetaspace(j, where);
    if (type == "WordPiece") return parseWordPiece(j, where);
    if (type == "CTC") return parseCtc(j, where);
    if (type == "BPEDecoder") {
        QS_TRY(auto suffix, stringField(j, "suffix", where));
        return DecoderPtr(std::make_shared<BpeDecoder>(std::move(suffix)));
    }
    return Error::unsupported(fmt::format("decoder type '{}' is not supported", type), where);
}

} // namespace qs::text
