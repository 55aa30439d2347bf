// SPDX-License-Identifier: GPL-3.0-or-later
// Theme: every colour role of the window in one struct, light and dark, and the switch between them.
// All of it is used on the GUI thread only. Widgets paint from theme() and repaint on
// ThemeNotifier::changed(); the palette changes too, so plain widgets follow by themselves.
#pragma once

#include <QApplication>
#include <QColor>
#include <QFont>
#include <QObject>
#include <QPalette>
#include <array>

namespace qs::ui {

/// Colours by meaning. Contrast promises (tests/gui/tst_Theme.cpp): text roles >= 4.5:1 on window, base,
/// header and selection; graphics that carry meaning >= 3:1 on base.
struct Theme {
    bool dark = false;
    QColor window, base, header;
    QColor border, strongBorder, grid;
    QColor text, text2, text3;
    QColor accent, onAccent, selection;
    QColor error, warning, ok;
    QColor errorFill, warningFill, okFill, predictedFill;
    QColor predicted;
    QColor data, original;
    QColor outlier;
    std::array<QColor, 4> runs; ///< A (always the original), B, C, D
    QColor tokenTint;           ///< used with alpha 0 to 0.85

    static const Theme& light();
    static const Theme& darkTheme();
    QPalette palette() const;
};

enum class ThemeMode { Light, Dark, System };

/// The theme in force; light until applyTheme() is called.
const Theme& theme();
ThemeMode themeMode();

/// Sets style, palette and fonts, then emits ThemeNotifier::changed(). System follows the desktop's palette
/// as it is at the time of the call.
void applyTheme(QApplication& app, ThemeMode mode);

class ThemeNotifier : public QObject {
    Q_OBJECT
public:
    static ThemeNotifier& instance();
signals:
    void changed();

private:
    ThemeNotifier() = default;
    friend void applyTheme(QApplication&, ThemeMode);
};

/// Fonts, relative to the application's font so that a larger desktop font scales everything.
QFont bodyFont();
QFont boldFont();
QFont chartFont(); ///< 11 px at 96 dpi
QFont monoFont();  ///< tensor names, patterns, hashes, tokens

/// WCAG 2.1 relative luminance, 0 to 1, of an opaque sRGB colour.
double relativeLuminance(const QColor& color);
/// WCAG 2.1 contrast ratio (L1 + 0.05) / (L2 + 0.05) >= 1.
double contrastRatio(const QColor& a, const QColor& b);
/// `top` at `alpha` over opaque `bottom`.
QColor blend(const QColor& top, const QColor& bottom, double alpha);

} // namespace qs::ui
