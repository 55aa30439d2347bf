// SPDX-License-Identifier: Apache-2.0
// Tensors of codec ggml in the store: whole, and damaged where scales have two levels.
#include "core/codec/ggml_grid.h"
#include "core/hdf5/h5_file.h"
#include "core/quant/quantize_common.h"
#include "core/store/quantized_store.h"
#include "tests/support/qs_test.h"

#include <nlohmann/json.hpp>
#include <random>

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

constexpr size_t kRows = 3, kCols = 512;

QuantizedTensor example(std::string_view type) {
    std::mt19937_64 rng(5);
    std::normal_distribution<float> normal(0.0f, 0.05f);
    Matrix w(kRows, kCols);
    for (float& v : w.span())
        v = normal(rng);
    const CodecDescriptor* d = *findCodec("ggml");
    const auto codec = *d->create(*Params::fromJson(d->params, {{"type", type}}, "test"));
    auto q = quantizeToNearest(w.view(), *codec, RangeRule::MinMax, {});
    if (!q) qFatal("%s", q.error().describe().c_str());
    return std::move(*q);
}

bool equal(const Matrix& a, const Matrix& b) {
    return a.rows() == b.rows() && a.cols() == b.cols() &&
           std::equal(a.span().begin(), a.span().end(), b.data());
}

/// The file that the store would write, with whatever is in `q`.
Result<void> writeUnchecked(const fs::path& path, const QuantizedTensor& q) {
    QS_TRY(auto w, H5Writer::begin(path));
    QS_CHECK(w->attribute("/", "schema", "quantoscope-tensors"));
    QS_CHECK(w->attribute("/", "schema_version", int64_t(1)));
    QS_CHECK(w->group("/m"));
    QS_CHECK(w->attribute("/m", "codec", q.codec));
    QS_CHECK(w->attribute("/m", "codec_params", q.codecParams.toJson().dump()));
    const std::pair<const char*, size_t> numbers[] = {{"rows", q.rows},
                                                      {"cols", q.cols},
                                                      {"group_size", q.layout.groupSize},
                                                      {"groups", q.layout.groups},
                                                      {"scale_rows", q.layout.scaleRows}};
    for (const auto& [key, value] : numbers)
        QS_CHECK(w->attribute("/m", key, int64_t(value)));
    QS_CHECK(w->array<uint8_t>("/m/codes", q.codes, {q.rows, q.cols}, H5Filter::Compress));
    const std::pair<const char*, const Matrix*> matrices[] = {{"/m/scale", &q.scale},
                                                              {"/m/zero", &q.zero},
                                                              {"/m/super_scale", &q.superScale},
                                                              {"/m/super_zero", &q.superZero}};
    for (const auto& [name, m] : matrices)
        if (!m->empty()) QS_CHECK(w->matrix(name, *m, H5Filter::Compress));
    return w->commit();
}

Matrix filled(size_t rows, size_t cols, float value) {
    Matrix m(rows, cols);
    std::fill_n(m.data(), m.size(), value);
    return m;
}

} // namespace

class StoreGgml : public QObject {
    Q_OBJECT
private slots:
    void roundTrip_data() {
        QTest::addColumn<QString>("type");
        for (const GgmlGrid& g : ggmlGrids())
            QTest::addRow("%s", std::string(g.id).c_str()) << QString::fromStdString(std::string(g.id));
    }
    void roundTrip() {
        QFETCH(QString, type);
        const QuantizedTensor q = example(type.toStdString());
        const fs::path path = scratchDir("store-ggml") / (type.toStdString() + ".h5");
        QS_VERIFY_OK(writeQuantizedTensors(path, {{"m", &q}}));
        const auto r = readQuantizedTensor(path, "m");
        QS_VERIFY_OK(r);
        QVERIFY(r->codes == q.codes && r->codecParams == q.codecParams);
        QVERIFY(equal(r->scale, q.scale) && equal(r->zero, q.zero));
        QVERIFY(equal(r->superScale, q.superScale) && equal(r->superZero, q.superZero));
        const auto codec = *codecOf(q);
        QVERIFY(equal(codec->dequantize(*r), codec->dequantize(q)));
    }

    void damaged() {
        const fs::path path = scratchDir("store-ggml") / "damaged.h5";
        const auto refused = [&](const char* type, const char* part,
                                 const std::function<void(QuantizedTensor&)>& change) {
            QuantizedTensor q = example(type);
            if (!writeUnchecked(path, q) || !readQuantizedTensor(path, "m")) return false;
            change(q);
            if (!writeUnchecked(path, q)) return false;
            const auto r = readQuantizedTensor(path, "m");
            if (r || r.error().code != ErrorCode::Corrupt ||
                r.error().describe().find(part) == std::string::npos) {
                qWarning("%s: %s", type, r ? "read" : r.error().describe().c_str());
                return false;
            }
            return !writeQuantizedTensors(path, {{"m", &q}}).has_value();
        };
        QVERIFY(refused("q4_k", "scale[2, 7]", [](auto& q) { q.scale(2, 7) *= 1.0001f; }));
        QVERIFY(refused("q4_k", "zero[0, 3]", [](auto& q) { q.zero(0, 3) += 0.5f * q.superZero(0, 0); }));
        QVERIFY(refused("q4_k", "super_scale[1, 1]", [](auto& q) { q.superScale(1, 1) *= 1.0001f; }));
        QVERIFY(refused("q4_k", "scale[1, 2]", [](auto& q) { q.scale(1, 2) = 64 * q.superScale(1, 0); }));
        QVERIFY(refused("q6_k", "scale[1, 2]", [](auto& q) { q.scale(1, 2) = 128 * q.superScale(1, 0); }));
        QVERIFY(refused("q3_k", "zero[0, 1]", [](auto& q) { q.zero(0, 1) = 1; }));
        QVERIFY(refused("q2_k", "super_zero", [](auto& q) { q.superZero = Matrix(); }));
        QVERIFY(refused("q6_k", "super_scale", [](auto& q) { q.superScale = Matrix(); }));
        QVERIFY(refused("q6_k", "super_zero", [](auto& q) { q.superZero = filled(kRows, 2, 1); }));
        QVERIFY(refused("q5_k", "super_scale", [](auto& q) { q.superScale = filled(kRows, 3, 1); }));
        QVERIFY(refused("q4_0", "super_scale", [](auto& q) { q.superScale = filled(kRows, 16, 1); }));
        QVERIFY(refused("q4_0", "scale[0, 4]", [](auto& q) { q.scale(0, 4) = 0.1f; }));
        QVERIFY(refused("q4_1", "zero[0, 4]", [](auto& q) { q.zero(0, 4) = 0.1f; }));
        QVERIFY(refused("mxfp4", "scale[2, 0]", [](auto& q) { q.scale(2, 0) = 3; }));
    }

    void integersHaveNoSuperBlocks() {
        const CodecDescriptor* d = *findCodec("int");
        const auto codec = *d->create(*Params::fromJson(d->params, {{"group", 32}}, "test"));
        Matrix w = filled(kRows, kCols, 0.25f);
        auto q = quantizeToNearest(w.view(), *codec, RangeRule::MinMax, {});
        QS_VERIFY_OK(q);
        q->superScale = filled(kRows, 2, 1);
        const fs::path path = scratchDir("store-ggml") / "int.h5";
        const auto r = writeQuantizedTensors(path, {{"m", &*q}});
        QVERIFY(!r && r.error().message.find("super-blocks") != std::string::npos);
    }
};

QS_TEST(StoreGgml)
#include "tst_store_ggml.moc"
