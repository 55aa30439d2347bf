// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/qs_test.h"
#include "widgets/theme/ColorMap.h"
#include "widgets/theme/Icons.h"
#include "widgets/theme/Theme.h"

#include <QImage>
#include <cmath>

using namespace qs::ui;

/// Contrast promises of every role, on every surface it appears on, in both themes.
class ThemeContrastTest : public QObject {
    Q_OBJECT
private slots:
    void formula() {
        // WCAG 2.1: black on white is 21:1; #777777 on white is 4.48:1 (the well-known miss), #767676
        // is 4.54:1.
        QCOMPARE(std::round(contrastRatio(Qt::black, Qt::white) * 100) / 100, 21.0);
        QVERIFY(std::abs(contrastRatio(QColor(0x77, 0x77, 0x77), Qt::white) - 4.48) < 0.01);
        QVERIFY(std::abs(contrastRatio(Qt::white, QColor(0x76, 0x76, 0x76)) - 4.54) < 0.01);
    }
    void text_data() {
        QTest::addColumn<bool>("dark");
        QTest::newRow("light") << false;
        QTest::newRow("dark") << true;
    }
    void text() {
        QFETCH(bool, dark);
        const Theme& t = dark ? Theme::darkTheme() : Theme::light();
        const std::pair<const char*, QColor> surfaces[] = {
            {"window", t.window}, {"base", t.base}, {"header", t.header}, {"selection", t.selection}};
        const std::pair<const char*, QColor> inks[] = {
            {"text", t.text},     {"text2", t.text2},         {"text3", t.text3},
            {"accent", t.accent}, {"error", t.error},         {"warning", t.warning},
            {"ok", t.ok},         {"predicted", t.predicted}, {"outlier", t.outlier}};
        for (const auto& [inkName, ink] : inks)
            for (const auto& [surfaceName, surface] : surfaces) {
                const double ratio = contrastRatio(ink, surface);
                QVERIFY2(ratio >= 4.5,
                         qPrintable(QStringLiteral("%1 on %2: %3").arg(inkName, surfaceName).arg(ratio)));
            }
        for (const auto& [ink, fill] :
             {std::pair(t.error, t.errorFill), std::pair(t.warning, t.warningFill), std::pair(t.ok, t.okFill),
              std::pair(t.predicted, t.predictedFill), std::pair(t.onAccent, t.accent)})
            QVERIFY2(contrastRatio(ink, fill) >= 4.5, qPrintable(ink.name() + " on " + fill.name()));
    }
    void graphics_data() { text_data(); }
    void graphics() {
        QFETCH(bool, dark);
        const Theme& t = dark ? Theme::darkTheme() : Theme::light();
        QVector<std::pair<QString, QColor>> marks = {{"data", t.data},
                                                     {"outlier", t.outlier},
                                                     {"predicted", t.predicted},
                                                     {"accent", t.accent},
                                                     {"histogram outline", t.text3},
                                                     {"predicted bar", blend(t.predicted, t.base, 0.75)},
                                                     {"band of a profile", blend(t.data, t.base, 0.72)}};
        for (int i = 0; i < 4; ++i)
            marks.push_back({QStringLiteral("run %1").arg(QChar('A' + i)), t.runs[size_t(i)]});
        for (const auto& [name, color] : marks)
            for (const QColor& surface : {t.base, t.window}) {
                const double ratio = contrastRatio(color, surface);
                QVERIFY2(ratio >= 3,
                         qPrintable(QStringLiteral("%1 on %2: %3").arg(name, surface.name()).arg(ratio)));
            }
    }
    void cellText() {
        for (const MapKind kind : {MapKind::Sequential, MapKind::Diverging})
            for (const bool dark : {false, true})
                for (const QRgb c : colorTable(kind, dark)) {
                    const QColor fill = QColor::fromRgb(c);
                    QVERIFY2(contrastRatio(textOn(fill), fill) >= 4.5, qPrintable(fill.name()));
                }
        // The rule itself: luminance 0.18 divides. #767676 has 0.181, #757575 has 0.178.
        QCOMPARE(textOn(QColor(0x76, 0x76, 0x76)), QColor(Qt::black));
        QCOMPARE(textOn(QColor(0x75, 0x75, 0x75)), QColor(Qt::white));
    }
    void tableEnds() {
        QCOMPARE(colorTable(MapKind::Sequential, false)[0], QColor(0xFF, 0xFF, 0xD9).rgb());
        QCOMPARE(colorTable(MapKind::Sequential, false)[255], QColor(0x08, 0x1D, 0x58).rgb());
        QCOMPARE(colorTable(MapKind::Sequential, true)[0], QColor(0x08, 0x1D, 0x58).rgb());
        // The middle of the diverging map is the header grey (128 is half a step off).
        const QColor middle = QColor::fromRgb(colorTable(MapKind::Diverging, false)[128]);
        QVERIFY(std::abs(middle.red() - Theme::light().header.red()) < 4);
        QVERIFY(std::abs(middle.blue() - Theme::light().header.blue()) < 4);
        // From the middle outwards both sides move steadily away from the page: stronger never looks weaker.
        for (const bool dark : {false, true}) {
            const ColorTable& t = colorTable(MapKind::Diverging, dark);
            const auto luminance = [&](int i) { return relativeLuminance(QColor::fromRgb(t[size_t(i)])); };
            const double direction = dark ? 1 : -1;
            for (int i = 128; i + 16 < 256; i += 16) {
                QVERIFY2((luminance(i + 16) - luminance(i)) * direction > -0.004,
                         qPrintable(QString::number(i)));
                QVERIFY2((luminance(255 - i - 16) - luminance(255 - i)) * direction > -0.004,
                         qPrintable(QString::number(i)));
            }
        }
        // "Low sinks into the page": the low end is the nearer one to the page's luminance.
        for (const bool dark : {false, true}) {
            const double page = relativeLuminance((dark ? Theme::darkTheme() : Theme::light()).base);
            const ColorTable& t = colorTable(MapKind::Sequential, dark);
            QVERIFY(std::abs(relativeLuminance(QColor::fromRgb(t[0])) - page) <
                    std::abs(relativeLuminance(QColor::fromRgb(t[255])) - page));
        }
    }
    void normalization() {
        Normalization log{2, 20, true, false};
        QVERIFY(std::abs(log.position(std::sqrt(40.0)) - 0.5) < 1e-12); // the geometric mean is the middle
        QCOMPARE(log.position(1), 0.0);
        QCOMPARE(log.position(100), 1.0);
        QVERIFY(std::isnan(log.position(0)));
        QVERIFY(std::isnan(log.position(-3)));
        QVERIFY(std::isnan(log.position(std::nan(""))));
        QVERIFY(std::abs(log.valueAt(0.5) - std::sqrt(40.0)) < 1e-9);
        Normalization linear{-4, 4, false, true};
        QCOMPARE(linear.position(0), 0.5);
        QCOMPARE(linear.position(2), 0.75);

        const Normalization found = Normalization::fromValues({std::nan(""), -1, 3}, false, true);
        QCOMPARE(found.lo, -3.0);
        QCOMPARE(found.hi, 3.0);
        const Normalization positive = Normalization::fromValues({0, 0.5, 8}, true, false);
        QCOMPARE(positive.lo, 0.5);
        QCOMPARE(positive.hi, 8.0);
        const Normalization nothing = Normalization::fromValues({std::nan("")}, true, false);
        QVERIFY(nothing.lo > 0 && nothing.lo < nothing.hi);
        const Normalization flat = Normalization::fromValues({5, 5}, false, false);
        QVERIFY(flat.lo < 5 && flat.hi > 5);
        QVERIFY(!mapColor(log, colorTable(MapKind::Sequential, false), std::nan("")).isValid());
    }
    void modesSwitch() {
        QSignalSpy spy(&ThemeNotifier::instance(), &ThemeNotifier::changed);
        applyTheme(*qApp, ThemeMode::Dark);
        QVERIFY(theme().dark);
        QCOMPARE(QApplication::palette().color(QPalette::Base), QColor(0x17, 0x19, 0x1D));
        applyTheme(*qApp, ThemeMode::Light);
        QVERIFY(!theme().dark);
        QCOMPARE(QApplication::palette().color(QPalette::Window), QColor(0xF2, 0xF4, 0xF6));
        applyTheme(*qApp, ThemeMode::System);
        QCOMPARE(themeMode(), ThemeMode::System);
        QCOMPARE(spy.count(), 3);
        applyTheme(*qApp, ThemeMode::Light);
    }
};
QS_TEST(ThemeContrastTest)

class IconsTest : public QObject {
    Q_OBJECT
private slots:
    void everyIconPaintsInBothThemes() {
        const QStringList names = iconNames();
        for (const char* needed :
             {"open",     "undo",   "redo",      "calibrate", "solve",   "run",     "pause", "stop",
              "verify",   "export", "filter",    "search",    "lock",    "warning", "error", "info",
              "tick",     "pin",    "histogram", "heatmap",   "profile", "table",   "jobs",  "close",
              "maximize", "sun",    "moon",      "copy",      "save"})
            QVERIFY2(names.contains(QLatin1String(needed)), needed);
        for (const ThemeMode mode : {ThemeMode::Dark, ThemeMode::Light}) {
            applyTheme(*qApp, mode);
            for (const QString& name : names) {
                const QImage image = icon(name).pixmap(16, 16).toImage();
                QVERIFY2(!image.isNull(), qPrintable(name));
                int painted = 0;
                QColor strongest;
                for (int y = 0; y < image.height(); ++y)
                    for (int x = 0; x < image.width(); ++x) {
                        const QColor c = image.pixelColor(x, y);
                        painted += c.alpha() > 60;
                        if (!strongest.isValid() || c.alpha() > strongest.alpha()) strongest = c;
                    }
                QVERIFY2(painted >= 6 && painted < 200, qPrintable(name + ": " + QString::number(painted)));
                // The glyph takes the theme's text colour, at full coverage within rounding.
                QVERIFY2(std::abs(strongest.red() - theme().text.red()) < 24,
                         qPrintable(name + " " + strongest.name()));
            }
        }
    }
    void disabledIsFainter() {
        const auto alpha = [](QIcon::Mode mode) {
            const QImage image = icon(QStringLiteral("stop")).pixmap(QSize(16, 16), mode).toImage();
            int most = 0;
            for (int y = 0; y < 16; ++y)
                for (int x = 0; x < 16; ++x)
                    most = std::max(most, image.pixelColor(x, y).alpha());
            return most;
        };
        QVERIFY(alpha(QIcon::Disabled) < alpha(QIcon::Normal) * 0.7);
    }
    void unknownNameIsNull() { QVERIFY(icon(QStringLiteral("no-such-icon")).isNull()); }
    void applicationIconLoads() { QVERIFY(!applicationIcon().pixmap(64, 64).isNull()); }
};
QS_TEST(IconsTest)

#include "tst_theme.moc"
