// SPDX-License-Identifier: GPL-3.0-or-later
// TokenTextView: a passage as flowing text. Every token is tinted by its KL on a log scale; a token that is
// not the first choice any more (a flip) is underlined, so that the colour is never alone. Mouse: hover tells
// the token's numbers, click chooses it. Keys: Left and Right by token, Up and Down by line, Home and End,
// Enter activates, Escape lets go.
// The layout is kept while width, font and text stay; painting touches visible lines only.
#pragma once

#include "widgets/charts/Picture.h"

#include <QAbstractScrollArea>
#include <QVector>
#include <limits>
#include <memory>

namespace qs::ui {

struct TextToken {
    QString text;                                         ///< leading blanks and line breaks included
    double kl = std::numeric_limits<double>::quiet_NaN(); ///< nats; NaN: not measured, no tint
    bool flip = false;
};

struct TokenTextData {
    QVector<TextToken> tokens;
    QString name;   ///< "B run 6, mix 700": accessible name and file name
    int mark = -1;  ///< the first token that differs from the original's text; -1 none
    int prompt = 0; ///< tokens that were given, shown muted
    QString emptyText;
};
using TokenTextPtr = std::shared_ptr<const TokenTextData>;

/// Where the tint begins and where it is full, nats.
inline constexpr double kTintLow = 0.03, kTintHigh = 2;
/// Opacity of the tint, 0 to 0.85: linear in log KL from 0.03 to 2 nats; 0 for NaN.
double tokenTintAlpha(double kl);
QColor tokenTint(double kl);

class TokenTextView : public QAbstractScrollArea, public Picture {
    Q_OBJECT
public:
    explicit TokenTextView(QWidget* parent = nullptr);

    /// The current token stays when the new text has as many tokens or more.
    void setData(TokenTextPtr data);
    TokenTextPtr data() const { return m_data; }
    /// -1: none. Does not emit.
    void setCurrentToken(int token);
    int currentToken() const { return m_current; }
    /// Viewport coordinates; empty for a token outside the text.
    QRectF tokenRect(int token) const;
    int tokenAt(const QPointF& viewportPos) const;
    int lineOf(int token) const;

    void renderTo(QPainter& painter, const QSize& size) const override;
    QString toCsv() const override;
    QString pictureName() const override;
    QSize sizeHint() const override { return {420, 240}; }
    QSize minimumSizeHint() const override { return {160, 80}; }

signals:
    void currentTokenChanged(int token); ///< by the user; -1 after Escape
    void tokenHovered(int token);        ///< -1: none
    void tokenActivated(int token);

protected:
    bool viewportEvent(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;
    void scrollContentsBy(int dx, int dy) override;

private:
    struct Placed {
        QRectF rect;  ///< of the ink, content coordinates
        QString text; ///< what is painted: no blanks at the start, no line breaks
        int line = 0;
    };
    struct Layout {
        QVector<Placed> tokens;
        double width = -1, height = 0, lineHeight = 0;
    };
    Layout layoutFor(double width) const;
    const Layout& current() const;
    void paintTokens(QPainter& painter, const Layout& layout, const QRectF& visible, bool interactive) const;
    void choose(int token);
    void updateScrollBar();
    void ensureVisible(int token);
    int verticalNeighbour(int lines) const;
    QString describe(int token) const;
    QFont textFont() const;

    TokenTextPtr m_data;
    mutable Layout m_layout;
    int m_current = -1, m_hover = -1;
};

} // namespace qs::ui
