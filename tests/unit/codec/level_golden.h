// SPDX-License-Identifier: Apache-2.0
// Number formats against tests/golden/gen/level_codecs.py and grid_codecs.py.
#pragma once

#include "core/codec/codec.h"
#include "core/quant/quantize_common.h"
#include "tests/support/qs_test.h"

#include <fstream>
#include <nlohmann/json.hpp>

namespace qs::test {

inline const nlohmann::json& levelGolden() {
    static const nlohmann::json golden = [] {
        std::ifstream file(sourceDir() / "tests/golden/codec/levels.json"),
            more(sourceDir() / "tests/golden/codec/grids.json");
        auto all = nlohmann::json::parse(file);
        const auto grids = nlohmann::json::parse(more);
        for (const auto& c : grids["cases"])
            all["cases"].push_back(c);
        all["power_search"] = grids["power_search"];
        return all;
    }();
    return golden;
}

inline Matrix matrixOf(const nlohmann::json& rows) {
    Matrix m(rows.size(), rows.at(0).size());
    for (size_t r = 0; r < m.rows(); ++r)
        for (size_t c = 0; c < m.cols(); ++c)
            m(r, c) = rows[r][c].get<float>();
    return m;
}

inline std::shared_ptr<const Codec> makeCodec(const std::string& id, const nlohmann::json& params) {
    const CodecDescriptor* d = *findCodec(id);
    auto p = Params::fromJson(d->params, params, "test");
    if (!p) qFatal("%s", p.error().describe().c_str());
    auto codec = d->create(*p);
    if (!codec) qFatal("%s", codec.error().describe().c_str());
    return *codec;
}

/// One row per case of a codec.
inline void goldenRows(const std::string& id) {
    QTest::addColumn<int>("at");
    const auto& cases = levelGolden()["cases"];
    for (size_t i = 0; i < cases.size(); ++i)
        if (cases[i]["codec"] == id) QTest::addRow("%s", cases[i]["params"].dump().c_str()) << int(i);
}

/// Scales and values equal the golden ones bit for bit. The tensor goes to `out`.
inline void compareWithGolden(int at, QuantizedTensor& out) {
    const nlohmann::json& expected = levelGolden()["cases"][size_t(at)];
    const auto codec = makeCodec(expected["codec"], expected["params"]);
    const Matrix weights = matrixOf(levelGolden()["weights"]);
    auto q = quantizeToNearest(weights.view(), *codec, {}, JobContext());
    QS_VERIFY_OK(q);
    QS_VERIFY_OK(codec->checkParameters(*q));
    const Matrix scale = matrixOf(expected["scale"]), values = matrixOf(expected["values"]);
    QCOMPARE(q->scale.rows(), scale.rows());
    QCOMPARE(q->scale.cols(), scale.cols());
    for (size_t i = 0; i < scale.size(); ++i)
        QCOMPARE(q->scale.data()[i], scale.data()[i]);
    const Matrix zero =
        expected.contains("zero") ? matrixOf(expected["zero"]) : Matrix(scale.rows(), scale.cols());
    for (size_t i = 0; i < zero.size(); ++i)
        QCOMPARE(q->zero.data()[i], zero.data()[i]);
    for (const auto& [key, m] : {std::pair("super_scale", &q->superScale), {"super_zero", &q->superZero}}) {
        QCOMPARE(m->size(), expected.contains(key) ? expected[key].size() : size_t(0));
        for (size_t i = 0; i < m->size(); ++i)
            QCOMPARE(m->data()[i], expected[key][i].get<float>());
    }
    const Matrix have = codec->dequantize(*q);
    for (size_t i = 0; i < values.size(); ++i)
        QCOMPARE(have.data()[i], values.data()[i]);
    out = std::move(*q);
}

/// Every code's value is its own nearest value, and no code has the value of another.
inline void everyCodeIsItself(const Codec& codec, float scale, float zero) {
    for (int c = 0; c < codec.levels(); ++c) {
        const float value = codec.decode(uint8_t(c), scale, zero);
        uint8_t code = 0;
        float rounded = 0;
        codec.round(&value, 1, &scale, &zero, &code, &rounded);
        QCOMPARE(int(code), c);
        QCOMPARE(rounded, value);
    }
}

/// Sum of squared errors of the golden weights, optionally weighted, with or without a search.
inline double goldenError(const Codec& codec, RangeRule rule, std::span<const float> importance = {}) {
    const Matrix w = matrixOf(levelGolden()["weights"]);
    QuantizedTensor q;
    q.codec = codec.id();
    q.codecParams = codec.params();
    q.rows = w.rows();
    q.cols = w.cols();
    q.layout = *codec.layout(q.rows, q.cols);
    q.codes.resize(w.size());
    fitGroups(codec, rule, w.view(), q, importance);
    roundToNearest(codec, w.view(), q);
    if (!codec.checkParameters(q)) qFatal("parameters cannot be stored");
    const Matrix have = codec.dequantize(q);
    double sum = 0;
    for (size_t i = 0; i < w.size(); ++i) {
        const double e = double(have.data()[i]) - double(w.data()[i]);
        sum += (importance.empty() ? 1.0 : double(importance[i % w.cols()])) * e * e;
    }
    return sum;
}

} // namespace qs::test
