// SPDX-License-Identifier: GPL-3.0-or-later
// Three pictures of fixed data against the ones in tests/gui/golden, tolerantly. After a wanted change of the
// drawing: QS_WRITE_GOLDENS=1 tst_gui GoldenPictures, look at the files, commit them.
#include "tests/gui/PictureDifference.h"
#include "tests/support/qs_test.h"
#include "widgets/charts/ChannelProfilePane.h"
#include "widgets/charts/HistogramWidget.h"
#include "widgets/heatmaps/HeatMapWidget.h"
#include "widgets/theme/Theme.h"

#include <QFontDatabase>

using namespace qs::test;
using namespace qs::ui;

namespace {

QImage render(const Picture& picture, const QSize& size) {
    QImage image(size, QImage::Format_RGB32);
    image.fill(theme().base);
    QPainter p(&image);
    picture.renderTo(p, size);
    return image;
}

/// Seven modules by twelve blocks, a smooth field with one hot cell.
QImage overview(double hot = 40) {
    auto d = std::make_shared<HeatMapData>();
    for (const char* role : {"q", "k", "v", "o", "gate", "up", "down"})
        d->rowLabels << QString::fromLatin1(role);
    for (int b = 0; b < 12; ++b)
        d->columnLabels << QString::number(b);
    d->rowTitle = QStringLiteral("module");
    d->columnTitle = QStringLiteral("block");
    d->valueTitle = QStringLiteral("Output error, relative");
    d->unit = QStringLiteral("%");
    d->log = true;
    for (int r = 0; r < 7; ++r)
        for (int b = 0; b < 12; ++b) {
            d->values << 0.5 * (1 + r) * (1 + 0.1 * ((b * 5 + r * 3) % 7));
            d->cellTexts << QString::number(2 + (r + b) % 4);
            d->flags << quint8((r + b) % 9 == 0 ? kCellEdited : 0);
        }
    d->values[6 * 12 + 1] = hot;
    d->rowBars = {5, 4, 4, 5, 27, 27, 28};
    d->rowBarTitle = QStringLiteral("share of size, %");
    HeatMapWidget map;
    map.resize(640, 320);
    map.setData(d);
    return render(map, {640, 320});
}

/// A triangle of weights on 15 levels.
QImage lens() {
    auto d = std::make_shared<HistogramData>();
    d->title = QStringLiteral("Weights");
    d->xTitle = QStringLiteral("w");
    d->lo = -1;
    d->hi = 1;
    d->beforeLabel = QStringLiteral("original");
    d->afterLabel = QStringLiteral("dequantized");
    d->before.fill(0, 200);
    d->after.fill(0, 200);
    for (int i = 0; i < 200; ++i) {
        d->before[i] = quint64(10 * (100 - std::abs(i - 100)));
        d->after[std::clamp((i + 7) / 14 * 14, 0, 199)] += d->before[i];
    }
    for (int k = -7; k <= 7; ++k)
        d->levels << k / 7.0;
    HistogramWidget h;
    h.resize(640, 300);
    h.setData(d);
    h.setLogY(true);
    h.setClip(-0.8, 0.8);
    return render(h, {640, 300});
}

QImage profile(int spike = 400) {
    auto d = std::make_shared<ChannelProfileData>();
    d->title = QStringLiteral("Activations");
    d->xTitle = QStringLiteral("input channel");
    d->yTitle = QStringLiteral("|x|");
    for (int c = 0; c < 1024; ++c) {
        const float v = 1 + 0.05f * float(c * 37 % 23);
        d->absmax << v;
        d->p999 << 0.7f * v;
        d->p99 << 0.4f * v;
        d->mean << -0.05f * v;
    }
    d->absmax[spike] = 60;
    d->absmax[800] = 12;
    d->outliers = {spike, 800};
    d->median = 1.55;
    d->ruleThreshold = 6 * d->median;
    d->ruleLabel = QString::fromUtf8("6 × median");
    ChannelProfilePane pane;
    pane.setData(d);
    pane.setSeries({ChannelSeries::P999, ChannelSeries::P99, ChannelSeries::Mean});
    return render(pane, {640, 300});
}

QImage shifted(const QImage& image, int dx) {
    QImage out(image.size(), image.format());
    out.fill(theme().base);
    QPainter(&out).drawImage(dx, 0, image);
    return out;
}

QString text(const PictureDifference& d) {
    return QStringLiteral("mean %1, worst block %2").arg(d.mean).arg(d.worst);
}

} // namespace

class GoldenPictures : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        if (!QFontDatabase::hasFamily(QStringLiteral("Noto Sans")))
            QSKIP("the pictures are made with Noto Sans, which is not installed");
        m_locale = QLocale();
        QLocale::setDefault(QLocale::c());
        m_font = QApplication::font();
        QFont font(QStringLiteral("Noto Sans"));
        font.setPixelSize(12);
        font.setHintingPreference(QFont::PreferNoHinting);
        QApplication::setFont(font);
    }
    void cleanupTestCase() {
        QApplication::setFont(m_font);
        QLocale::setDefault(m_locale);
    }

    void asBefore_data() {
        QTest::addColumn<QImage>("picture");
        QTest::newRow("overview") << overview();
        QTest::newRow("lens") << lens();
        QTest::newRow("profile") << profile();
    }
    void asBefore() {
        QFETCH(QImage, picture);
        const QString file = QString::fromStdString((qs::test::sourceDir() / "tests/gui/golden").string()) +
                             QLatin1Char('/') + QLatin1String(QTest::currentDataTag()) +
                             QStringLiteral(".png");
        if (qEnvironmentVariableIsSet("QS_WRITE_GOLDENS")) QVERIFY(picture.save(file));
        const QImage golden(file);
        QVERIFY2(!golden.isNull(), qPrintable(file));
        const auto d = pictureDifference(picture, golden);
        if (!d.similar()) picture.save(QDir::tempPath() + QStringLiteral("/quantoscope-golden-mismatch.png"));
        QVERIFY2(d.similar(), qPrintable(text(d)));
    }

    /// What must not pass, does not: moved, recoloured, one mark elsewhere, one cell another colour, dark.
    void theComparisonSees() {
        for (const QImage& picture : {overview(), lens(), profile()}) {
            QVERIFY(pictureDifference(picture, picture).similar());
            QVERIFY2(!pictureDifference(picture, shifted(picture, 3)).similar(),
                     qPrintable(text(pictureDifference(picture, shifted(picture, 3)))));
            QVERIFY(!pictureDifference(picture, picture.rgbSwapped()).similar());
            QVERIFY(!pictureDifference(picture, picture.copy(0, 0, 320, 300)).similar());
        }
        QVERIFY(!pictureDifference(profile(400), profile(404)).similar());
        QVERIFY(!pictureDifference(overview(40), overview(4)).similar());
        const QImage light = profile();
        applyTheme(*qApp, ThemeMode::Dark);
        QVERIFY(!pictureDifference(light, profile()).similar());
        applyTheme(*qApp, ThemeMode::Light);
    }

    /// What may differ from one computer to the next: hinting of the glyphs, and rounding of every pixel.
    void theComparisonForgives() {
        const QImage picture = profile();
        QFont font = QApplication::font();
        font.setHintingPreference(QFont::PreferVerticalHinting);
        QApplication::setFont(font);
        QImage other = profile();
        font.setHintingPreference(QFont::PreferNoHinting);
        QApplication::setFont(font);
        for (int y = 0; y < other.height(); ++y)
            for (int x = 0; x < other.width(); ++x) {
                const QColor c(other.pixel(x, y));
                const int d = (x * 7 + y * 13) % 9 - 4;
                other.setPixelColor(x, y,
                                    QColor(std::clamp(c.red() + d, 0, 255), std::clamp(c.green() - d, 0, 255),
                                           std::clamp(c.blue() + d, 0, 255)));
            }
        QVERIFY(other != picture);
        const auto d = pictureDifference(picture, other);
        QVERIFY2(d.similar(), qPrintable(text(d)));
    }

private:
    QFont m_font;
    QLocale m_locale;
};

QS_TEST(GoldenPictures)
#include "tst_golden_pictures.moc"
