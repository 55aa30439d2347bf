// SPDX-License-Identifier: Apache-2.0
// MXFP4 of the codec mx in GGUF: ggml's blocks hold the same values.
#include "core/codec/ggml_encode.h"
#include "core/export/gguf_blocks.h"
#include "core/export/packed_lint.h"
#include "tests/unit/exporter/gguf_fixture.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

namespace {

/// OCP MX 1.0: the values of E2M1 by their bit patterns.
constexpr float kE2M1[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};

Scheme mxScheme(const char* format) {
    return schemeOf("mx", {{"format", format}});
}

} // namespace

class GgufMxfp4 : public QObject {
    Q_OBJECT
private slots:
    /// Bytes by the block's description: E8M0, then the low and the high nibbles of inputs 0..15 and 16..31.
    void bytes() {
        Fixture f = makeFixture(DType::F16);
        const ExportSource s = ggufSource(f, [](const QuantTarget&) { return mxScheme("mxfp4"); });
        const auto w = writeAndVerify(s, "gguf-mxfp4");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        const QuantizedTensor& q = f.tensors.at("layers.0.mlp.down_proj"); // [64, 96]
        QCOMPARE(typeOf(*w, "blk.0.ffn_down.weight"), std::string("MXFP4"));
        const auto bytes = bytesOfTensor(*w, "blk.0.ffn_down.weight");
        QCOMPARE(bytes.size(), size_t(64 * 3 * 17));
        for (size_t r = 0; r < 64; ++r)
            for (size_t b = 0; b < 3; ++b) {
                const std::byte* block = bytes.data() + (r * 3 + b) * 17;
                const float scale = std::ldexp(1.0f, int(block[0]) - 127);
                QCOMPARE(scale, q.scale(r, b));
                for (size_t i = 0; i < 32; ++i) {
                    const int byte = int(block[1 + i % 16]), pattern = i < 16 ? byte & 15 : byte >> 4;
                    QVERIFY(pattern != 8); // of two zeros the positive one
                    QCOMPARE(scale * kE2M1[pattern], valueAt(q, r, b * 32 + i));
                }
            }
    }

    /// The codec ggml, given the same values and the same scales, makes the same bytes.
    void asTheCodecGgml() {
        Fixture f = makeFixture(DType::F16);
        const ExportSource s = ggufSource(f, [](const QuantTarget&) { return mxScheme("mxfp4"); });
        const auto ggml =
            createCodec("ggml", *Params::fromJson((*findCodec("ggml"))->params, {{"type", "mxfp4"}}, "test"));
        QS_VERIFY_OK(ggml);
        for (const auto& [module, q] : f.tensors) {
            const Matrix values = (*codecOf(q))->dequantize(q);
            QuantizedTensor g;
            g.codec = "ggml";
            g.codecParams = (*ggml)->params();
            g.rows = q.rows;
            g.cols = q.cols;
            g.layout = *(*ggml)->layout(q.rows, q.cols);
            (*ggml)->allocateParameters(g);
            g.codes.resize(q.codes.size());
            std::vector<float> scale(q.cols), zero(q.cols), rounded(q.cols);
            for (size_t r = 0; r < q.rows; ++r) {
                for (size_t b = 0; b < g.layout.groups; ++b)
                    g.scale(r, b) = q.scale(r, b) / 2;
                for (size_t c = 0; c < q.cols; ++c)
                    scale[c] = g.scale(r, c / 32);
                (*ggml)->round(values.row(r), q.cols, scale.data(), zero.data(), g.codes.data() + r * q.cols,
                               rounded.data());
            }
            const auto want = ggmlBlocks(g, 0, g.rows);
            QS_VERIFY_OK(want);
            std::vector<std::byte> have(want->size());
            const auto type = ggufTypeOf(mxScheme("mxfp4"));
            QS_VERIFY_OK(type);
            QS_VERIFY_OK(ggufBlocks(q, **type, have));
            QVERIFY2(have == *want, module.c_str());
        }
    }

    void lint() {
        const Fixture f = makeFixture(DType::F16);
        const auto of = [&](const Scheme& scheme) {
            return (*findExporter("gguf"))->lint(*f.model, planFor(f, [&](const QuantTarget&) {
                return scheme;
            }));
        };
        QVERIFY(!hasErrors(of(mxScheme("mxfp4"))));
        const auto others = of(mxScheme("mxfp8_e4m3"));
        QVERIFY(hasErrors(others));
        QVERIFY(std::any_of(others.begin(), others.end(), [](const LintIssue& i) {
            return i.severity == Severity::Error && i.message.find("MXFP8") != std::string::npos;
        }));
    }

    /// Act-order has no place in a block.
    void otherGroupsAreRefused() {
        Fixture f = makeFixture(DType::F16);
        ggufSource(f, [](const QuantTarget&) { return mxScheme("mxfp4"); });
        QuantizedTensor q = copyOf(f.tensors.at("layers.0.self_attn.q_proj"));
        for (size_t c = 0; c < q.cols; ++c)
            q.groupOfColumn.push_back(int32_t(c % 2));
        std::vector<std::byte> out(q.rows * 2 * 17);
        const auto refused = ggufBlocks(q, **ggufTypeOf(mxScheme("mxfp4")), out);
        QVERIFY(!refused);
        QVERIFY2(refused.error().message.find("act-order") != std::string::npos,
                 refused.error().message.c_str());
    }
};

QS_TEST(GgufMxfp4)
#include "tst_gguf_mxfp4.moc"
