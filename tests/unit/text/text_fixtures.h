// SPDX-License-Identifier: Apache-2.0
// Small tokenizers for tests: tokenizer.json as JSON values, tokenizer.model as protobuf bytes.
#pragma once

#include "core/text/loaders.h"
#include "tests/support/qs_test.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <vector>

namespace qs::test {

using nlohmann::json;
using Ids = std::vector<int>;
using Strings = std::vector<std::string>;

inline Result<std::shared_ptr<const Tokenizer>> fromJson(const json& j, const std::string& config = {}) {
    return text::tokenizerFromJson(j.dump(), config, "tokenizer.json", "");
}

/// A tokenizer.json around a model, everything else absent.
inline json bare(json model) {
    return {{"version", "1.0"}, {"added_tokens", json::array()}, {"model", std::move(model)}};
}

/// Ids 0, 1, 2, ... in the order given.
inline json vocabOf(const Strings& pieces) {
    json v = json::object();
    for (size_t i = 0; i < pieces.size(); ++i)
        v[pieces[i]] = i;
    return v;
}

/// Id of a piece in the same list, for readable expectations.
inline Ids idsOf(const Strings& pieces, const Strings& wanted) {
    Ids ids;
    for (const auto& w : wanted) {
        const auto it = std::find(pieces.begin(), pieces.end(), w);
        ids.push_back(it == pieces.end() ? -99 : int(it - pieces.begin()));
    }
    return ids;
}

/// Writes protobuf fields (proto2 wire format).
class ProtoWriter {
public:
    ProtoWriter& varint(uint32_t field, uint64_t value) {
        number(uint64_t(field) << 3);
        number(value);
        return *this;
    }
    ProtoWriter& bytes(uint32_t field, const std::string& value) {
        number(uint64_t(field) << 3 | 2);
        number(value.size());
        out_ += value;
        return *this;
    }
    ProtoWriter& real(uint32_t field, float value) {
        number(uint64_t(field) << 3 | 5);
        const auto bits = std::bit_cast<uint32_t>(value);
        for (unsigned i = 0; i < 4; ++i)
            out_ += char(bits >> (8 * i));
        return *this;
    }
    const std::string& str() const { return out_; }

private:
    void number(uint64_t v) {
        for (; v > 0x7F; v >>= 7)
            out_ += char(0x80 | (v & 0x7F));
        out_ += char(v);
    }
    std::string out_;
};

struct SpmPiece {
    std::string text;
    float score;
    int type; ///< 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
};

/// ModelProto of the pieces, a trainer_spec and a normalizer_spec.
inline std::string modelProto(const std::vector<SpmPiece>& pieces, const ProtoWriter& trainer,
                              const ProtoWriter& normalizer) {
    ProtoWriter p;
    for (const auto& piece : pieces)
        p.bytes(
            1, ProtoWriter().bytes(1, piece.text).real(2, piece.score).varint(3, uint64_t(piece.type)).str());
    return p.bytes(2, trainer.str()).bytes(3, normalizer.str()).str();
}

inline Result<std::shared_ptr<const Tokenizer>> fromModel(const std::string& bytes,
                                                          const std::string& config = {}) {
    return text::tokenizerFromSentencePiece(bytes, config, "tokenizer.model", "");
}

inline QString show(const Ids& ids) {
    QStringList l;
    for (const int i : ids)
        l << QString::number(i);
    return l.join(' ');
}
inline QString show(const Strings& s) {
    QStringList l;
    for (const auto& x : s)
        l << '[' + QString::fromStdString(x) + ']';
    return l.join(' ');
}

} // namespace qs::test

/// Compares lists and prints both when they differ.
#define QS_COMPARE_LISTS(got, expected)                                                                      \
    do {                                                                                                     \
        const auto qsGot = (got);                                                                            \
        const decltype(qsGot) qsExpected = expected;                                                         \
        if (qsGot != qsExpected)                                                                             \
            QFAIL(qPrintable("got " + qs::test::show(qsGot) + ", expected " + qs::test::show(qsExpected)));  \
    } while (false)

/// The call is an error whose code is `wanted` and whose text holds `part`.
#define QS_VERIFY_ERROR(call, wanted, part)                                                                  \
    do {                                                                                                     \
        const auto qsResult = (call);                                                                        \
        QVERIFY2(!qsResult.has_value(), "an error was expected");                                            \
        QVERIFY2(qsResult.error().code == wanted,                                                            \
                 qPrintable(QString::fromStdString(qsResult.error().describe())));                           \
        QVERIFY2(qsResult.error().describe().find(part) != std::string::npos,                                \
                 qPrintable(QString::fromStdString(qsResult.error().describe())));                           \
    } while (false)
