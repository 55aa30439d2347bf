// SPDX-License-Identifier: Apache-2.0
#include "core/text/sentencepiece_proto.h"

#include "core/text/protobuf.h"
#include "core/text/unicode.h"
#include "core/text/vocabulary.h"

#include <fmt/format.h>

#include <cmath>

namespace qs::text {

namespace {

using Proto = SentencePieceProto;

constexpr size_t kMaxSamples = 10000;

// Calls `field(reader)` for every field of a message.
template<class F>
Result<void> eachField(std::string_view bytes, const std::string& where, F field) {
    ProtoReader reader(bytes, where);
    while (true) {
        QS_TRY(const bool more, reader.next());
        if (!more) return {};
        QS_CHECK(field(reader));
    }
}

Result<void> setText(const ProtoReader& r, std::string& out) {
    QS_TRY(const auto v, r.bytes());
    out = std::string(v);
    return {};
}

Result<void> setBool(const ProtoReader& r, bool& out) {
    QS_TRY(out, r.boolean());
    return {};
}

Result<void> parsePiece(std::string_view bytes, Proto& proto, const std::string& where) {
    if (proto.pieces.size() > size_t(kMaxTokenId))
        return Error::corrupt(fmt::format("more than {} pieces", kMaxTokenId), where);
    const std::string here = fmt::format("{}: pieces[{}]", where, proto.pieces.size());
    ScoredPiece piece;
    int type = 1;
    QS_CHECK(eachField(bytes, here, [&](const ProtoReader& r) -> Result<void> {
        if (r.field() == 1) return setText(r, piece.text);
        if (r.field() == 2) {
            QS_TRY(piece.score, r.real());
        } else if (r.field() == 3) {
            QS_TRY(type, r.integer());
        }
        return {};
    }));
    if (piece.text.empty() || piece.text.size() > kMaxPieceBytes || !isValidUtf8(piece.text))
        return Error::corrupt(fmt::format("'piece' must be 1 to {} bytes of UTF-8", kMaxPieceBytes), here);
    if (!std::isfinite(piece.score)) return Error::corrupt("'score' is not a finite number", here);
    if (type < 1 || type > 6) return Error::corrupt(fmt::format("'type' must be 1 to 6, not {}", type), here);
    piece.type = PieceType(type);
    proto.pieces.push_back(std::move(piece));
    return {};
}

Result<void> parseTrainer(std::string_view bytes, Proto& proto, const std::string& where) {
    return eachField(bytes, where, [&](const ProtoReader& r) -> Result<void> {
        switch (r.field()) {
        case 3: {
            QS_TRY(const int kind, r.integer());
            if (kind < 1 || kind > 4)
                return Error::corrupt(fmt::format("'model_type' must be 1 to 4, not {}", kind), where);
            proto.kind = SentencePieceKind(kind);
            return {};
        }
        case 24:
            return setBool(r, proto.whitespaceAsSuffix);
        case 35:
            return setBool(r, proto.byteFallback);
        case 44:
            return setText(r, proto.unknownSurface);
        case 46:
            return setText(r, proto.bosPiece);
        case 47:
            return setText(r, proto.eosPiece);
        default:
            return {};
        }
    });
}

Result<void> parseNormalizerSpec(std::string_view bytes, Proto& proto, const std::string& where) {
    return eachField(bytes, where, [&](const ProtoReader& r) -> Result<void> {
        switch (r.field()) {
        case 2:
            return setText(r, proto.charsmap);
        case 3:
            return setBool(r, proto.addDummyPrefix);
        case 4:
            return setBool(r, proto.removeExtraWhitespaces);
        case 5:
            return setBool(r, proto.escapeWhitespaces);
        default:
            return {};
        }
    });
}

Result<void> parseSelfTest(std::string_view bytes, Proto& proto, const std::string& where) {
    return eachField(bytes, where, [&](const ProtoReader& r) -> Result<void> {
        if (r.field() != 1) return {};
        if (proto.samples.size() >= kMaxSamples)
            return Error::corrupt(fmt::format("more than {} samples", kMaxSamples), where);
        QS_TRY(const auto sample, r.bytes());
        Proto::Sample s;
        QS_CHECK(eachField(sample, where, [&](const ProtoReader& f) -> Result<void> {
            if (f.field() == 1) return setText(f, s.input);
            if (f.field() == 2) return setText(f, s.expected);
            return {};
        }));
        proto.samples.push_back(std::move(s));
        return {};
    });
}

Result<void> parseDenormalizer(std::string_view bytes, Proto& proto, const std::string& where) {
    return eachField(bytes, where, [&](const ProtoReader& r) -> Result<void> {
        if (r.field() != 2) return {};
        QS_TRY(const auto map, r.bytes());
        proto.hasDenormalizer = !map.empty();
        return {};
    });
}

} // namespace

Result<SentencePieceProto> SentencePieceProto::parse(std::string_view bytes, const std::string& where) {
    Proto proto;
    QS_CHECK(eachField(bytes, where, [&](const ProtoReader& r) -> Result<void> {
        if (r.field() < 1 || r.field() > 5) return {};
        QS_TRY(const auto value, r.bytes());
        switch (r.field()) {
        case 1:
            return parsePiece(value, proto, where);
        case 2:
            return parseTrainer(value, proto, where + ": trainer_spec");
        case 3:
            return parseNormalizerSpec(value, proto, where + ": normalizer_spec");
        case 4:
            return parseSelfTest(value, proto, where + ": self_test_data");
        default:
            return parseDenormalizer(value, proto, where + ": denormalizer_spec");
        }
    }));
    if (proto.pieces.empty()) return Error::corrupt("holds no pieces", where);
    return proto;
}

} // namespace qs::text
