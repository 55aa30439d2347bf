// SPDX-License-Identifier: Apache-2.0
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

namespace {

/// Values of w on -8 .. 7 steps, 7 of them `share` of the largest magnitude.
std::vector<double> clipped(const std::vector<double>& w, double share) {
    double top = 0;
    for (const double v : w)
        top = std::max(top, std::fabs(v));
    const double scale = share * top / 7;
    std::vector<double> out;
    for (const double v : w)
        out.push_back(scale > 0 ? std::clamp(std::nearbyint(v / scale), -8.0, 7.0) * scale : 0);
    return out;
}

/// e Sigma e^T over the inputs of a group that begins at `first`.
double groupLoss(const Layer& l, size_t first, const std::vector<double>& w,
                 const std::vector<double>& values) {
    double sum = 0;
    for (size_t i = 0; i < w.size(); ++i)
        for (size_t j = 0; j < w.size(); ++j)
            sum += (values[i] - w[i]) * l.sigma(first + i, first + j) * (values[j] - w[j]);
    return sum;
}

std::shared_ptr<const Codec> fourBits(int group) {
    return *createCodec(
        "int", *Params::fromJson((*findCodec("int"))->params,
                                 {{"bits", 4}, {"group", group}, {"grid", "absmax"}, {"scale_dtype", "f32"}},
                                 "test"));
}

} // namespace

class Method_awq_clip : public QObject {
    Q_OBJECT
private slots:
    /// Every group has the least loss of all 20 shares.
    void bestShareOfEveryGroup_data() {
        QTest::addColumn<int>("group");
        QTest::newRow("groups") << 8;
        QTest::newRow("rows") << -1;
    }
    void bestShareOfEveryGroup() {
        QFETCH(int, group);
        const Layer l = makeLayer(6, 24, 60, 7);
        const auto codec = fourBits(group);
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("awq_clip", l, *codec, *backend);
        QS_VERIFY_OK(q);
        const Matrix made = codec->dequantize(*q);
        const size_t n = group > 0 ? size_t(group) : 24;
        size_t clippedGroups = 0;
        for (size_t r = 0; r < 6; ++r)
            for (size_t first = 0; first < 24; first += n) {
                std::vector<double> w, own;
                for (size_t c = first; c < first + n; ++c) {
                    w.push_back(double(l.weight(r, c)));
                    own.push_back(double(made(r, c)));
                }
                double least = INFINITY;
                for (int i = 0; i < 20; ++i)
                    least = std::min(least, groupLoss(l, first, w, clipped(w, 1 - 0.025 * i)));
                const double loss = groupLoss(l, first, w, own);
                QVERIFY2(
                    std::fabs(loss / least - 1) <= 1e-3,
                    qPrintable(QString("[%1, %2]: %3, expected %4").arg(r).arg(first).arg(loss).arg(least)));
                clippedGroups += least < 0.999 * groupLoss(l, first, w, clipped(w, 1)) ? 1 : 0;
            }
        QVERIFY(clippedGroups > 0);
    }
    void betterThanNearest() {
        const Layer l = makeLayer(32, 64, 256, 9);
        auto backend = makeCpuBackend(0);
        const auto codec = fourBits(32);
        const auto own = runMethod("awq_clip", l, *codec, *backend),
                   plain = runMethod("rtn", l, *codec, *backend);
        QS_VERIFY_OK(own);
        QS_VERIFY_OK(plain);
        const double a = outputError(l, codec->dequantize(*own)),
                     b = outputError(l, codec->dequantize(*plain));
        qInfo("%.4g, whole ranges %.4g", a, b);
        QVERIFY(a < b);
    }
    void formatsWithoutRangesOfGroups() {
        const Layer l = makeLayer(4, 256, 8, 1);
        auto backend = makeCpuBackend(1);
        const auto codec = *createCodec("ggml", Params::defaults((*findCodec("ggml"))->params));
        const auto q = runMethod("awq_clip", l, *codec, *backend);
        QVERIFY(!q && q.error().message.find("no range for each of its groups") != std::string::npos);
    }
};

QS_TEST(Method_awq_clip)
#include "tst_method_awq_clip.moc"
