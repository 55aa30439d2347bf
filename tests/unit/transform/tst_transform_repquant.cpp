// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/transform/transform_fixture.h"

using namespace qs;
using namespace qs::test;

class Transform_repquant : public QObject {
    Q_OBJECT
private slots:
    void byHand() {
        // 48 channels of 1 but for 6, 4 and 0: the mean is (45 + 10) / 48.
        const auto c = transformCase("w3_g16", 3, 16);
        c->input.absmax.assign(48, 1.0f);
        c->input.absmax[3] = 6;
        c->input.absmax[17] = 4;
        c->input.absmax[40] = 0;
        const auto s = choose("repquant", *c, nlohmann::json::object());
        QS_VERIFY_OK(s);
        const float mean = 55.0f / 48;
        for (size_t k = 0; k < 48; ++k)
            QVERIFY(std::fabs((*s)[k] - (k == 3    ? 6 / mean
                                         : k == 17 ? 4 / mean
                                         : k == 40 ? 1
                                                   : 1 / mean)) < 1e-6f);
    }
    /// [-1, 3] and [-2, 2] have a quarter and a half of their range below zero, 3/8 on average: both end as
    /// [-1.5, 2.5]. A channel of 5 alone ends as zeros.
    void shiftByHand() {
        const auto z =
            channelShift(ChannelShift::ZeroPoint, std::vector<float>{-1, -2, 5}, std::vector<float>{3, 2, 5});
        QCOMPARE(z, (std::vector<float>{0.5f, -0.5f, 5}));
        QCOMPARE(channelShift(ChannelShift::Middle, std::vector<float>{-1, -2}, std::vector<float>{3, 2}),
                 (std::vector<float>{1, 0}));
        QCOMPARE(channelShift(ChannelShift::None, std::vector<float>{-1}, std::vector<float>{3}),
                 std::vector<float>{0});
    }
    /// The codes of 4 bits that scales and zero points of every channel give, round(x / s_j + z_j), are those
    /// of the mean scale and the mean zero point behind the reparameterisation.
    void codesStay() {
        const auto c = transformCase("w3_g16", 3, 16);
        const size_t n = c->inputs.cols();
        std::vector<float> low(n, INFINITY), high(n, -INFINITY);
        for (size_t k = 0; k < n; ++k)
            for (size_t t = 0; t < c->inputs.rows(); ++t) {
                low[k] = std::min(low[k], c->inputs(t, k));
                high[k] = std::max(high[k], c->inputs(t, k));
            }
        const auto z = channelShift(ChannelShift::ZeroPoint, low, high);
        std::vector<double> step(n), zero(n);
        double meanStep = 0, meanZero = 0;
        for (size_t k = 0; k < n; ++k) {
            step[k] = (double(high[k]) - double(low[k])) / 15;
            zero[k] = -double(low[k]) / step[k];
            meanStep += step[k] / double(n);
            meanZero += zero[k] / double(n);
            c->input.absmax[k] = std::max(std::fabs(low[k] - z[k]), std::fabs(high[k] - z[k]));
        }
        const auto s = choose("repquant", *c, nlohmann::json::object());
        QS_VERIFY_OK(s);
        for (size_t t = 0; t < c->inputs.rows(); ++t)
            for (size_t k = 0; k < n; ++k) {
                const double x = double(c->inputs(t, k)), own = x / step[k] + zero[k],
                             shared = (x - double(z[k])) / double((*s)[k]) / meanStep + meanZero;
                QVERIFY2(std::fabs(own - shared) <= 1e-4, qPrintable(QString("%1 %2").arg(own).arg(shared)));
            }
    }
    /// One scale for all channels rounds as a scale for each of them would have: int4 of a token that reaches
    /// every channel's largest magnitude.
    void oneScaleIsAScaleForEach() {
        const auto c = transformCase("w3_g16", 3, 16);
        const auto s = choose("repquant", *c, nlohmann::json::object());
        QS_VERIFY_OK(s);
        const auto codec = intCodec({{"bits", 4}, {"grid", "absmax"}, {"group", -1}, {"scale_dtype", "f32"}});
        Matrix x(1, 48);
        for (size_t k = 0; k < 48; ++k)
            x(0, k) = c->input.absmax[k] * (k == 0 ? 1.0f : float(k) / 48);
        Matrix expected = x.clone();
        for (size_t k = 0; k < 48; ++k) {
            const float step = c->input.absmax[k] / 7;
            expected(0, k) = step * std::nearbyint(x(0, k) / step);
        }
        QS_VERIFY_OK(RowRounder(codec, *s).round(x.view()));
        for (size_t k = 0; k < 48; ++k)
            QVERIFY(std::fabs(x(0, k) - expected(0, k)) <= 1e-4f * c->input.absmax[k]);
    }
};

QS_TEST(Transform_repquant)
#include "tst_transform_repquant.moc"
