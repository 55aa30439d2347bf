// SPDX-License-Identifier: Apache-2.0
#include "core/base/npy.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

#include <fstream>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace {

/// U of the paper: H^-1 = U^T U for H = Sigma + damping mean(diag Sigma) I, by Gauss-Jordan, in float64.
std::vector<std::vector<double>> inverseFactor(const MatrixD& sigma, double damping) {
    const size_t n = sigma.rows();
    std::vector<std::vector<double>> h(n, std::vector<double>(2 * n));
    double mean = 0;
    for (size_t i = 0; i < n; ++i)
        mean += sigma(i, i) / double(n);
    for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j < n; ++j)
            h[i][j] = sigma(i, j) + (i == j ? damping * mean : 0);
        h[i][n + i] = 1;
    }
    for (size_t p = 0; p < n; ++p) { // inverse
        const double pivot = h[p][p];
        for (double& v : h[p])
            v /= pivot;
        for (size_t r = 0; r < n; ++r)
            if (r != p) {
                const double f = h[r][p];
                for (size_t c = 0; c < 2 * n; ++c)
                    h[r][c] -= f * h[p][c];
            }
    }
    std::vector<std::vector<double>> u(n, std::vector<double>(n)); // inverse = U^T U
    for (size_t i = 0; i < n; ++i)
        for (size_t j = i; j < n; ++j) {
            double s = h[i][n + j];
            for (size_t k = 0; k < i; ++k)
                s -= u[k][i] * u[k][j];
            u[i][j] = i == j ? std::sqrt(s) : s / u[i][i];
        }
    return u;
}

/// The paper's algorithm without blocking, in float64, by plain loops: one column at a time. Grid:
/// asymmetric, `group` inputs per scale, fitted when the column is reached.
Matrix plainGptq(const Layer& l, int bits, size_t group, double damping) {
    const size_t n = l.weight.cols(), m = l.weight.rows();
    const auto u = inverseFactor(l.sigma, damping);
    std::vector<std::vector<double>> w(m, std::vector<double>(n));
    for (size_t r = 0; r < m; ++r)
        for (size_t c = 0; c < n; ++c)
            w[r][c] = l.weight(r, c);
    Matrix out(m, n);
    const double maxq = (1 << bits) - 1;
    for (size_t r = 0; r < m; ++r) {
        double s = 0, z = 0;
        for (size_t j = 0; j < n; ++j) {
            if (j % group == 0) {
                double lo = 0, hi = 0;
                for (size_t c = j; c < j + group; ++c) {
                    lo = std::min(lo, w[r][c]);
                    hi = std::max(hi, w[r][c]);
                }
                s = (hi - lo) / maxq;
                z = std::nearbyint(-lo / s);
            }
            const double q = s * (std::clamp(std::nearbyint(w[r][j] / s) + z, 0.0, maxq) - z);
            out(r, j) = float(q);
            const double e = (w[r][j] - q) / u[j][j];
            for (size_t c = j; c < n; ++c)
                w[r][c] -= e * u[j][c];
        }
    }
    return out;
}

std::shared_ptr<const Codec> ggmlCodec(const char* type) {
    const CodecDescriptor* d = *findCodec("ggml");
    return *d->create(*Params::fromJson(d->params, {{"type", type}}, "test"));
}

/// The same into blocks of codec ggml: their scales are fitted on the row's weights when the recursion
/// reaches them.
Matrix plainGptqIntoBlocks(const Layer& l, const Codec& codec, double damping) {
    const size_t n = l.weight.cols(), m = l.weight.rows(), block = codec.fitColumns();
    const auto u = inverseFactor(l.sigma, damping);
    QuantizedTensor q;
    q.rows = m;
    q.cols = n;
    q.layout = *codec.layout(m, n);
    codec.allocateParameters(q);
    Matrix out(m, n);
    for (size_t r = 0; r < m; ++r) {
        std::vector<double> w(l.weight.row(r), l.weight.row(r) + n);
        for (size_t j = 0; j < n; ++j) {
            if (j % block == 0) {
                const std::vector<float> now(w.begin() + ptrdiff_t(j), w.begin() + ptrdiff_t(j + block));
                codec.fitBlock(now, {}, {}, q, r, j);
            }
            const float v = float(w[j]), s = q.scale(r, q.groupOf(j)), z = q.zero(r, q.groupOf(j));
            uint8_t code = 0;
            codec.round(&v, 1, &s, &z, &code, &out(r, j));
            const double e = (w[j] - double(out(r, j))) / u[j][j];
            for (size_t c = j; c < n; ++c)
                w[c] -= e * u[j][c];
        }
    }
    return out;
}

} // namespace

class Method_gptq : public QObject {
    Q_OBJECT
private slots:
    void twoColumnsByHand() {
        // Sigma = [[2, 1], [1, 2]], no damping to speak of: H^-1 = 1/3 [[2, -1], [-1, 2]], U = [[sqrt(2/3),
        // -1/sqrt(6)], [0, 1/sqrt(2)]]. W = [0.4, 1], grid with s = 1, z = 0 (2 bits over [0, 3] from a
        // second group-mate 3): use three columns with an independent third. Column 0: 0.4 -> 0, e = 0.4 /
        // sqrt(2/3); column 1: 1 - e * (-1/sqrt(6)) = 1 + 0.4 * (1/sqrt(6)) / sqrt(2/3) = 1 + 0.4 / 2 = 1.2
        // -> 1. With w1 = 1.35: 1.35 + 0.2 = 1.55 -> 2, where nearest rounding gives 1.
        Layer l{Matrix(1, 3), Matrix(1, 3), MatrixD(3, 3)};
        l.weight(0, 0) = 0.4f;
        l.weight(0, 1) = 1.35f;
        l.weight(0, 2) = 3.0f;
        l.sigma(0, 0) = l.sigma(1, 1) = l.sigma(2, 2) = 2;
        l.sigma(0, 1) = l.sigma(1, 0) = 1;
        const auto codec = intCodec({{"bits", 2}, {"group", -1}, {"scale_dtype", "f32"}});
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("gptq", l, *codec, *backend, {{"damping", 1e-6}});
        QS_VERIFY_OK(q);
        QCOMPARE(q->codes, (std::vector<uint8_t>{0, 2, 3}));
        QCOMPARE(runMethod("rtn", l, *codec, *backend)->codes, (std::vector<uint8_t>{0, 1, 3}));
    }
    void equalsThePlainAlgorithm_data() {
        QTest::addColumn<int>("group");
        QTest::addColumn<int>("block");
        for (int group : {16, 32, 96, 192})
            for (int block : {8, 32, 128, 192})
                QTest::addRow("group %d block %d", group, block) << group << block;
    }
    void equalsThePlainAlgorithm() {
        QFETCH(int, group);
        QFETCH(int, block);
        const Layer l = makeLayer(37, 192, 400, 5);
        const auto codec = intCodec({{"bits", 3}, {"group", group}, {"scale_dtype", "f32"}});
        auto backend = makeCpuBackend(2);
        const auto q = runMethod("gptq", l, *codec, *backend, {{"block_size", block}});
        QS_VERIFY_OK(q);
        const Matrix got = codec->dequantize(*q), expected = plainGptq(l, 3, size_t(group), 0.01);
        // A weight on the edge between two codes may fall either way in float32, and its row then differs:
        // count rows.
        size_t differing = 0;
        for (size_t r = 0; r < got.rows(); ++r) {
            bool same = true;
            for (size_t c = 0; c < got.cols(); ++c)
                same = same && std::fabs(got(r, c) - expected(r, c)) <= 1e-4f;
            differing += !same;
        }
        QVERIFY2(differing <= 2, qPrintable(QString("%1 of 37 rows differ").arg(differing)));
        const double a = outputError(l, got), b = outputError(l, expected);
        QVERIFY2(std::fabs(a - b) <= 0.01 * b, qPrintable(QString("%1 against %2").arg(a).arg(b)));
    }
    void intoGgmlBlocks_data() {
        QTest::addColumn<QString>("type");
        for (const char* type :
             {"q4_0", "q4_1", "q5_0", "q8_0", "iq4_nl", "mxfp4", "q2_k", "q3_k", "q4_k", "q6_k", "iq4_xs"})
            QTest::addRow("%s", type) << type;
    }
    void intoGgmlBlocks() {
        QFETCH(QString, type);
        const Layer l = makeLayer(29, 512, 900, 6);
        const auto codec = ggmlCodec(type.toUtf8().constData());
        auto backend = makeCpuBackend(2);
        const auto q = runMethod("gptq", l, *codec, *backend), rtn = runMethod("rtn", l, *codec, *backend);
        QS_VERIFY_OK(q);
        QS_VERIFY_OK(rtn);
        QS_VERIFY_OK(codec->checkParameters(*q));
        const Matrix got = codec->dequantize(*q), expected = plainGptqIntoBlocks(l, *codec, 0.01);
        const double own = outputError(l, got), plain = outputError(l, expected),
                     nearest = outputError(l, codec->dequantize(*rtn));
        // Roundings at the edge between two codes fall either way in float32, and whole rows follow: the
        // errors agree, not every code.
        QVERIFY2(std::fabs(own - plain) <= 0.03 * plain,
                 qPrintable(QString("%1 against %2").arg(own).arg(plain)));
        QVERIFY2(own < 0.9 * nearest, qPrintable(QString("%1, nearest %2").arg(own).arg(nearest)));
        // Blocks that do not divide the solver's, and columns in another order.
        const auto small = runMethod("gptq", l, *codec, *backend, {{"block_size", 48}});
        QS_VERIFY_OK(small);
        QVERIFY(std::fabs(outputError(l, codec->dequantize(*small)) - own) <= 0.03 * own);
        const auto ordered = runMethod("gptq", l, *codec, *backend, {{"act_order", true}, {"range", "mse"}});
        QS_VERIFY_OK(ordered);
        QVERIFY(ordered->groupOfColumn.empty());
        QVERIFY(outputError(l, codec->dequantize(*ordered)) < nearest);
    }
    void actOrderKeepsTheGroups() {
        const Layer l = makeLayer(24, 128, 512, 9);
        const auto codec = intCodec({{"bits", 2}, {"group", 32}});
        auto backend = makeCpuBackend(2);
        const auto plain = runMethod("gptq", l, *codec, *backend),
                   ordered = runMethod("gptq", l, *codec, *backend, {{"act_order", true}});
        QS_VERIFY_OK(plain);
        QS_VERIFY_OK(ordered);
        QVERIFY(ordered->groupOfColumn.empty());
        QVERIFY(plain->codes != ordered->codes);
        // Static groups: the grids are those of the original weights.
        const auto rtn = runMethod("rtn", l, *codec, *backend);
        for (size_t i = 0; i < rtn->scale.size(); ++i)
            QCOMPARE(ordered->scale.data()[i], rtn->scale.data()[i]);
        QVERIFY(outputError(l, codec->dequantize(*ordered)) < outputError(l, codec->dequantize(*rtn)));
    }
    void rankDeficientSigma() {
        const Layer l = makeLayer(8, 96, 10, 4); // 10 tokens, 96 inputs
        const auto codec = intCodec({{"bits", 4}, {"group", 32}});
        auto backend = makeCpuBackend(1);
        QS_VERIFY_OK(runMethod("gptq", l, *codec, *backend));
        Layer zero = makeLayer(8, 96, 4, 4);
        zero.sigma = MatrixD(96, 96);
        QS_VERIFY_OK(runMethod("gptq", zero, *codec, *backend));
    }
    void withoutSigma() {
        const Layer l = makeLayer(4, 32, 4, 1);
        const auto codec = intCodec({{"group", 32}});
        auto backend = makeCpuBackend(1);
        const MethodDescriptor* m = *findMethod("gptq");
        QuantizeInput in;
        in.weight = l.weight.view();
        in.codec = codec.get();
        in.params = Params::defaults(m->params);
        in.backend = backend.get();
        const auto q = m->quantize(in, {});
        QVERIFY(!q);
        QVERIFY(q.error().message.find("calibrate") != std::string::npos);
    }
    void storedLayer_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("codec");
        QTest::addColumn<QString>("params");
        QTest::newRow("4 bit g128") << "gptq_w4_g128_asym"
                                    << R"({"bits":4,"group":128,"scale_dtype":"f32"})"
                                    << "{}";
        QTest::newRow("4 bit g128 f16 scales") << "gptq_w4_g128_asym"
                                               << R"({"bits":4,"group":128})"
                                               << "{}";
        QTest::newRow("3 bit g128") << "gptq_w3_g128_asym"
                                    << R"({"bits":3,"group":128,"scale_dtype":"f32"})"
                                    << "{}";
        QTest::newRow("4 bit channel") << "gptq_w4_pc_asym"
                                       << R"({"bits":4,"group":-1,"scale_dtype":"f32"})"
                                       << "{}";
        QTest::newRow("4 bit g128 sym") << "gptq_w4_g128_sym"
                                        << R"({"bits":4,"group":128,"grid":"symmetric","scale_dtype":"f32"})"
                                        << "{}";
        QTest::newRow("4 bit g128 act order") << "gptq_w4_g128_asym_actorder_static"
                                              << R"({"bits":4,"group":128,"scale_dtype":"f32"})"
                                              << R"({"act_order":true})";
    }
    void storedLayer() {
        QS_NEED_SHARED(shared);
        QFETCH(QString, name);
        QFETCH(QString, codec);
        QFETCH(QString, params);
        const auto dir = shared / "data/reference/layer2048";
        const auto w = readNpyFloat(dir / "W.npy"), x = readNpyFloat(dir / "X.npy");
        QS_VERIFY_OK(w);
        QS_VERIFY_OK(x);
        const json expected = json::parse(std::ifstream(dir / "expected.json")).at(name.toStdString());
        auto backend = makeCpuBackend(0);
        const ConstMatrixView weight(w->values.data(), 2048, 2048);
        Tensor tx;
        QS_VERIFY_OK(backend->upload(ConstMatrixView(x->values.data(), 2048, 2048), tx));
        const auto moment = std::move(*backend->secondMoment(2048));
        QS_VERIFY_OK(moment->add(tx));
        const MatrixD sigma = std::move(*moment->take());
        const auto c = intCodec(json::parse(codec.toStdString()));
        const MethodDescriptor* m = *findMethod("gptq");
        QuantizeInput in;
        in.weight = weight;
        in.codec = c.get();
        in.sigma = &sigma;
        in.params = *Params::fromJson(m->params, json::parse(params.toStdString()), "test");
        in.backend = backend.get();
        const auto q = m->quantize(in, {});
        QS_VERIFY_OK(q);
        const Matrix values = c->dequantize(*q);
        const auto error = measureError(weight, values.view(), &sigma);
        QS_VERIFY_OK(error);
        const double reference = expected.at("rel_err").get<double>();
        qInfo("output error %.6g, reference %.6g", error->output, reference);
        QVERIFY(error->output <= 1.01 * reference && error->output > 0.5 * reference);
    }
};

QS_TEST(Method_gptq)
#include "tst_method_gptq.moc"
