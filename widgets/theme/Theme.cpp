// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/theme/Theme.h"

#include "widgets/theme/Style.h"

#include <QFontDatabase>
#include <QToolTip>
#include <cmath>

// A static library's resources are dropped by the linker unless someone names them.
static void initResources() {
    Q_INIT_RESOURCE(resources);
}

namespace qs::ui {

namespace {

QColor rgb(quint32 value) {
    return QColor::fromRgb(QRgb(0xff000000u | value));
}

Theme makeLight() {
    Theme t;
    t.dark = false;
    t.window = rgb(0xF2F4F6), t.base = rgb(0xFFFFFF), t.header = rgb(0xE9ECF0);
    t.border = rgb(0xD3D8DF), t.strongBorder = rgb(0xAEB6C1), t.grid = rgb(0xE6E9ED);
    t.text = rgb(0x1B1F24), t.text2 = rgb(0x464F5A), t.text3 = rgb(0x5F6873);
    t.accent = rgb(0x1D5FBF), t.onAccent = rgb(0xFFFFFF), t.selection = rgb(0xE0EAFB);
    t.error = rgb(0xB3261E), t.warning = rgb(0x855300), t.ok = rgb(0x1B6E40);
    t.errorFill = rgb(0xFBE3E1), t.warningFill = rgb(0xFCEFD2), t.okFill = rgb(0xDDF1E5);
    t.predicted = rgb(0x6B3FA0), t.predictedFill = rgb(0xECE4F6);
    t.data = rgb(0x0B62A8), t.original = rgb(0xC9CFD7), t.outlier = rgb(0xB53C09);
    t.runs = {rgb(0x5F6873), rgb(0x0B62A8), rgb(0xA54807), rgb(0x08704F)};
    t.tokenTint = rgb(0xF5963C);
    return t;
}

Theme makeDark() {
    Theme t;
    t.dark = true;
    t.window = rgb(0x202329), t.base = rgb(0x17191D), t.header = rgb(0x2A2E35);
    t.border = rgb(0x383E47), t.strongBorder = rgb(0x565E6A), t.grid = rgb(0x2A2E35);
    t.text = rgb(0xE6E8EC), t.text2 = rgb(0xBAC1CB), t.text3 = rgb(0xA3ACB9);
    t.accent = rgb(0x79AEFF), t.onAccent = rgb(0x0E1520), t.selection = rgb(0x243A56);
    t.error = rgb(0xFF9189), t.warning = rgb(0xF2BD55), t.ok = rgb(0x6FD09A);
    t.errorFill = rgb(0x472523), t.warningFill = rgb(0x3D3118), t.okFill = rgb(0x1D3A2A);
    t.predicted = rgb(0xC3A3F2), t.predictedFill = rgb(0x332A45);
    t.data = rgb(0x6DB3F2), t.original = rgb(0x3C434D), t.outlier = rgb(0xFF8A4C);
    t.runs = {rgb(0xA3ACB9), rgb(0x6DB3F2), rgb(0xF5A25D), rgb(0x58C9A4)};
    t.tokenTint = rgb(0xAF5514);
    return t;
}

const Theme* g_current = nullptr;
ThemeMode g_mode = ThemeMode::Light;

/// Qt 6.4 has no colour-scheme hint: the desktop's own palette is what an unset application palette resolves
/// to.
bool desktopIsDark() {
    QApplication::setPalette(QPalette());
    const QPalette p = QApplication::palette();
    return p.color(QPalette::WindowText).lightness() > p.color(QPalette::Window).lightness();
}

QFont applicationFont() {
    QFont font = QFontDatabase::systemFont(QFontDatabase::GeneralFont);
    if (QFontDatabase::hasFamily(QStringLiteral("Noto Sans"))) font.setFamily(QStringLiteral("Noto Sans"));
    font.setPointSizeF(9);
    font.setStyleHint(QFont::SansSerif);
    return font;
}

QFont scaled(double factor) {
    QFont font = QApplication::font();
    if (font.pointSizeF() > 0)
        font.setPointSizeF(font.pointSizeF() * factor);
    else
        font.setPixelSize(qRound(font.pixelSize() * factor));
    return font;
}

double linear(double channel) {
    return channel <= 0.04045 ? channel / 12.92 : std::pow((channel + 0.055) / 1.055, 2.4);
}

} // namespace

const Theme& Theme::light() {
    static const Theme t = makeLight();
    return t;
}

const Theme& Theme::darkTheme() {
    static const Theme t = makeDark();
    return t;
}

QPalette Theme::palette() const {
    QPalette p;
    p.setColor(QPalette::Window, window);
    p.setColor(QPalette::WindowText, text);
    p.setColor(QPalette::Base, base);
    p.setColor(QPalette::AlternateBase, window);
    p.setColor(QPalette::Text, text);
    p.setColor(QPalette::PlaceholderText, text3);
    p.setColor(QPalette::Button, base);
    p.setColor(QPalette::ButtonText, text);
    p.setColor(QPalette::BrightText, onAccent);
    p.setColor(QPalette::ToolTipBase, base);
    p.setColor(QPalette::ToolTipText, text);
    p.setColor(QPalette::Highlight, selection);
    p.setColor(QPalette::HighlightedText, text);
    p.setColor(QPalette::Link, accent);
    p.setColor(QPalette::LinkVisited, predicted);
    p.setColor(QPalette::Light, header);
    p.setColor(QPalette::Midlight, header);
    p.setColor(QPalette::Mid, border);
    p.setColor(QPalette::Dark, strongBorder);
    p.setColor(QPalette::Shadow, strongBorder);
    const QColor off = blend(text, window, 0.55);
    for (const auto role :
         {QPalette::WindowText, QPalette::Text, QPalette::ButtonText, QPalette::HighlightedText})
        p.setColor(QPalette::Disabled, role, off);
    p.setColor(QPalette::Disabled, QPalette::Base, window);
    return p;
}

const Theme& theme() {
    return g_current ? *g_current : Theme::light();
}
ThemeMode themeMode() {
    return g_mode;
}

void applyTheme(QApplication&, ThemeMode mode) {
    initResources();
    const bool first = g_current == nullptr;
    g_mode = mode;
    const bool dark = mode == ThemeMode::Dark || (mode == ThemeMode::System && desktopIsDark());
    g_current = dark ? &Theme::darkTheme() : &Theme::light();
    if (first || !qobject_cast<Style*>(QApplication::style())) QApplication::setStyle(new Style);
    if (first) QApplication::setFont(applicationFont());
    QApplication::setPalette(g_current->palette());
    QToolTip::setPalette(g_current->palette());
    emit ThemeNotifier::instance().changed();
}

ThemeNotifier& ThemeNotifier::instance() {
    static ThemeNotifier notifier;
    return notifier;
}

QFont bodyFont() {
    return QApplication::font();
}

QFont boldFont() {
    QFont font = QApplication::font();
    font.setBold(true);
    return font;
}

QFont chartFont() {
    return scaled(11.0 / 12.0);
}

QFont monoFont() {
    static const QString family = [] {
        for (const char* name : {"Noto Sans Mono", "DejaVu Sans Mono"})
            if (QFontDatabase::hasFamily(QLatin1String(name))) return QString::fromLatin1(name);
        return QFontDatabase::systemFont(QFontDatabase::FixedFont).family();
    }();
    QFont font = scaled(11.0 / 12.0);
    font.setFamily(family);
    font.setStyleHint(QFont::Monospace);
    return font;
}

double relativeLuminance(const QColor& color) {
    return 0.2126 * linear(color.redF()) + 0.7152 * linear(color.greenF()) + 0.0722 * linear(color.blueF());
}

double contrastRatio(const QColor& a, const QColor& b) {
    const double la = relativeLuminance(a), lb = relativeLuminance(b);
    return (std::max(la, lb) + 0.05) / (std::min(la, lb) + 0.05);
}

QColor blend(const QColor& top, const QColor& bottom, double alpha) {
    const auto mix = [alpha](double t, double b) { return float(alpha * t + (1 - alpha) * b); };
    return QColor::fromRgbF(mix(top.redF(), bottom.redF()), mix(top.greenF(), bottom.greenF()),
                            mix(top.blueF(), bottom.blueF()));
}

} // namespace qs::ui
