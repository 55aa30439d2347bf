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
