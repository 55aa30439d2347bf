// SPDX-License-Identifier: GPL-3.0-or-later
// Why a preview has no Sigma: each reason is the true one.
#include "app/session/SigmaNote.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/models/Metric.h"

using namespace qs;
using namespace qs::test;

class SigmaNoteTest : public QObject {
    Q_OBJECT
private slots:
    void reasons() {
        constexpr int kLong = 180000;
        const WindowHome home("sigma-note");
        WindowFixture w(home);
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        QuantTarget target = w.session()->model()->targets().front();
        QCOMPARE(app::whyNoSigma(nullptr, target), QStringLiteral("calibrate first"));
        w.trigger("calibrate");
        QVERIFY(w.startDialog("calibrateDialog", 64, 2));
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->calibration(), kLong);
        const Calibration* calibration = w.session()->calibration().get();
        QCOMPARE(app::whyNoSigma(calibration, target), QString());
        target.cols = 6144; // the largest that previews take
        QCOMPARE(app::whyNoSigma(calibration, target), QString());
        target.cols = 8192; // measured, and too large: "no data" would be wrong
        const QString large = app::whyNoSigma(calibration, target);
        QVERIFY2(large.contains(u"too large") && large.contains(ui::integerText(8192)), qPrintable(large));
        target.site = "layers.99.attn";
        QCOMPARE(app::whyNoSigma(calibration, target), QStringLiteral("no calibration data for this tensor"));
    }
};

QS_TEST(SigmaNoteTest)
#include "tst_sigma_note.moc"
