"""The two halves of a transformer's block in NumPy: each adds what it computes of a normalised input to the input."""

from frontends.numpy.attention import causal_attention, gelu, layer_norm, linear


def attend(a, p, keep):
    """a + dropout(attention(layer_norm(a))), and what brings a gradient back: to a, and to p's arrays by name."""
    normal, norm_back = layer_norm(a, p["scale_a"], p["shift_a"])
    q, q_back = linear(normal, p["wq"], p["bq"])
    k, k_back = linear(normal, p["wk"])
    v, v_back = linear(normal, p["wv"], p["bv"])
    attended, attention_back = causal_attention(q, k, v)
    out, out_back = linear(attended, p["wo"], p["bo"], axes=2)

    def back(d):
        g = {}
        dattended, g["wo"], g["bo"] = out_back(d * keep)
        dq, dk, dv = attention_back(dattended)
        from_q, g["wq"], g["bq"] = q_back(dq)
        from_k, g["wk"], _ = k_back(dk)
        from_v, g["wv"], g["bv"] = v_back(dv)
        da, g["scale_a"], g["shift_a"] = norm_back(from_q + from_k + from_v)
        return d + da, g

    return a + out * keep, back


def perceive(a, p, keep):
    """a + dropout(perceptron(layer_norm(a))), and what brings a gradient back, likewise."""
    normal, norm_back = layer_norm(a, p["scale_m"], p["shift_m"])
    up, up_back = linear(normal, p["wu"], p["bu"])
    activated, gelu_back = gelu(up)
    down, down_back = linear(activated, p["wd"], p["bd"])

    def back(d):
        g = {}
        dactivated, g["wd"], g["bd"] = down_back(d * keep)
        dnormal, g["wu"], g["bu"] = up_back(gelu_back(dactivated))
        da, g["scale_m"], g["shift_m"] = norm_back(dnormal)
        return d + da, g

    return a + down * keep, back
